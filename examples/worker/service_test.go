package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

const testTTL = 10 // seconds

// stage is a store in a bubble, and the workers on it.
type stage struct {
	t     *testing.T
	store *keystest.Store
	log   *text
}

// onStage runs a test in virtual time.
func onStage(t *testing.T, test func(s stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := stage{t, keystest.New(), &text{}}
		test(s)
		s.store.Wait()
		if t.Failed() {
			t.Log(s.log)
		}
	})
}

// text is a log that can be read while it is written.
type text struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.String()
}

func (s stage) worker(name string, log io.Writer) *worker {
	return &worker{
		kapi: s.store, log: slog.New(slog.NewTextHandler(log, nil)).With("worker", name),
		prefix: "/w", name: name, ttl: testTTL,
	}
}

// begin has a worker serve until leave is called, which returns what that came to.
// Its requests are those of the caller name.
func (s stage) begin(name string) (leave func() error) {
	ctx, cancel := context.WithCancel(keystest.As(context.Background(), name))
	ended := make(chan error, 1)
	go func() { ended <- s.worker(name, s.log).serve(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
}

// set writes a key, and lets those who watch it see it.
func (s stage) set(key, value string) {
	s.t.Helper()
	if _, err := s.store.Set(context.Background(), key, value, nil); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

// request asks for jobs.
func (s stage) request(values ...string) {
	s.t.Helper()
	for _, value := range values {
		if _, err := s.store.CreateInOrder(context.Background(), "/w/requests", value, nil); err != nil {
			s.t.Fatal(err)
		}
	}
}

// files gives the values of the files below a directory, by their names.
func (s stage) files(dir string) map[string]string {
	files := map[string]string{}
	for _, n := range s.store.Dump() {
		if name, below := strings.CutPrefix(n.Key, dir+"/"); below && !n.Dir {
			files[name] = n.Value
		}
	}
	return files
}

// results gives the results in the order of their requests.
func (s stage) results() []result {
	s.t.Helper()
	files := s.files("/w/results")
	var all []result
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var r result
		if err := json.Unmarshal([]byte(files[name]), &r); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func (s stage) wantResults(want ...result) {
	s.t.Helper()
	if got := s.results(); !slices.Equal(got, want) {
		s.t.Errorf("results %v, want %v", got, want)
	}
}

// wantText checks the last result, before which there were so many.
func (s stage) wantText(before int, text string) {
	s.t.Helper()
	if got := s.results(); len(got) != before+1 || got[before].Text != text {
		s.t.Errorf("results %v, want %q as the last of %d", got, text, before+1)
	}
}

func (s stage) wantRegistered(names ...string) {
	s.t.Helper()
	var got []string
	for _, value := range s.files("/w/workers") {
		var r registration
		if err := json.Unmarshal([]byte(value), &r); err != nil {
			s.t.Fatal(err)
		}
		got = append(got, r.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, names) {
		s.t.Errorf("registered are %v, want %v", got, names)
	}
}

// wantLeft ends a worker, and checks that it could clean up.
func (s stage) wantLeft(leave func() error) {
	s.t.Helper()
	if err := leave(); err != nil {
		s.t.Errorf("it left with %v", err)
	}
}

// pass lets virtual time pass, and whatever is due then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWorkerDoesWhatIsRequestedAndLeavesNothingOfItsOwn(t *testing.T) {
	onStage(t, func(s stage) {
		leave := s.begin("ann")
		defer leave()
		s.request("one", "two", "three")
		pass(3500 * time.Millisecond) // a second each
		s.wantResults(result{"hello, one", "ann"}, result{"hello, two", "ann"}, result{"hello, three", "ann"})
		s.wantRegistered("ann")
		pass(10 * testTTL * time.Second)
		s.wantRegistered("ann") // it is renewed

		s.request("four")
		pass(500 * time.Millisecond) // it is at work
		s.wantLeft(leave)
		left := slices.Sorted(maps.Keys(s.files("")))
		left = slices.DeleteFunc(left, func(key string) bool { return strings.HasPrefix(key, "w/results/") })
		if len(left) != 2 || !strings.HasPrefix(left[0], "w/queue/items/") || left[1] != "w/scheduled" {
			t.Errorf("left are %v, want the item that was not done, and the progress", left)
		}
	})
}

func TestWorkersShareTheWork(t *testing.T) {
	onStage(t, func(s stage) {
		for _, name := range []string{"ann", "bob"} {
			leave := s.begin(name)
			defer leave()
		}
		s.request("one", "two", "three", "four")
		pass(2500 * time.Millisecond) // half as long as one alone would take
		done := map[string]int{}
		for _, r := range s.results() {
			done[r.Worker]++
		}
		if !maps.Equal(done, map[string]int{"ann": 2, "bob": 2}) {
			t.Errorf("jobs by worker: %v", done)
		}
	})
}

func TestSettingsAreAppliedAtOnce(t *testing.T) {
	onStage(t, func(s stage) {
		leave := s.begin("ann")
		defer leave()
		pass(time.Second)
		s.set("/w/config/parallel", "3")
		s.set("/w/config/greeting", "moin")
		s.request("one", "two", "three")
		pass(1500 * time.Millisecond)
		s.wantResults(result{"moin, one", "ann"}, result{"moin, two", "ann"}, result{"moin, three", "ann"})

		s.set("/w/config/parallel", "many") // a mistake changes nothing
		s.set("/w/config/greeting", "salut")
		s.request("four")
		pass(1500 * time.Millisecond)
		s.wantText(3, "moin, four")
		if !strings.Contains(s.log.String(), `/w/config/parallel=\"many\"`) {
			t.Error("the mistake is not logged")
		}

		s.set("/w/config/parallel", "0")
		s.request("five")
		pass(time.Minute)
		if n := len(s.results()); n != 4 {
			t.Errorf("%d results, though nobody should work", n)
		}
		s.set("/w/config/parallel", "1")
		pass(1500 * time.Millisecond)
		s.wantText(4, "salut, five")
	})
}

func TestWhoIsCutOffIsReplacedAndComesBack(t *testing.T) {
	onStage(t, func(s stage) {
		leaveAnn := s.begin("ann")
		defer leaveAnn()
		pass(time.Second) // it leads
		leaveBob := s.begin("bob")
		defer leaveBob()
		pass(time.Second)
		s.set("/w/config/pause", "2s")
		s.request("one", "two")
		pass(time.Second) // each has one in hand
		s.store.CutOff("ann", keystest.NotSent)
		pass(3 * testTTL * time.Second)
		s.wantRegistered("bob")
		s.wantResults(result{"hello, one", "bob"}, result{"hello, two", "bob"})

		s.store.Reconnect("ann")
		pass(3 * testTTL * time.Second)
		s.wantRegistered("ann", "bob")
		s.wantLeft(leaveBob)
		s.request("three")
		pass(testTTL * time.Second)
		if got := s.results(); len(got) != 3 || got[2] != (result{"hello, three", "ann"}) {
			t.Errorf("results %v, want a third of ann's", got)
		}
		s.wantLeft(leaveAnn)
	})
}

func TestLeaderOfThePastSchedulesNothing(t *testing.T) {
	onStage(t, func(s stage) {
		session, err := concurrency.NewSession(s.store)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		queue := concurrency.NewQueue(session, "/w/queue")
		w, ctx := s.worker("ann", s.log), context.Background()
		request := func(index uint64) *client.Node { return &client.Node{Key: "/w/requests/x", CreatedIndex: index} }
		for _, step := range []struct {
			fence   uint64
			refused bool
		}{{5, false}, {5, false}, {9, false}, {5, true}, {9, false}} {
			before, err := queue.Len(ctx)
			if err != nil {
				t.Fatal(err)
			}
			err = w.schedule(ctx, queue, step.fence, request(uint64(100+before)))
			if errors.Is(err, errGivenUp) != step.refused || !step.refused && err != nil {
				t.Errorf("with fence %d: %v, want a refusal: %v", step.fence, err, step.refused)
			}
			after, err := queue.Len(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if enqueued := after > before; enqueued == step.refused {
				t.Errorf("with fence %d: enqueued %v", step.fence, enqueued)
			}
		}
	})
}

func TestWrongFlags(t *testing.T) {
	for _, args := range [][]string{{"-ttl=0"}, {"-endpoints=ftp://host:1"}, {"-nonsense"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
