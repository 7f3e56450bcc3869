package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/client/internal/keystest"
)

var keystestSeed = flag.Uint64("keystest-seed", uint64(time.Now().UnixNano()), "of the calls that a server and the store in memory get")

// A twin gives each call to a server and to the store in memory, and compares.
type twin struct {
	*testing.T
	ctx   context.Context
	rand  *rand.Rand
	kapi  client.KeysAPI
	sent  *recorder
	store *keystest.Store

	hiddenOneIn int // of the elements of keys
}

// twinTime bounds all calls of a test. etcd 3.5 answers some by a 500, which the
// client repeats twice, since there is no other endpoint: they take 0.6 s.
const twinTime = 4 * callTimeout

func onTwins(t *testing.T, run func(w *twin)) {
	t.Helper()
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			t.Logf("-keystest-seed=%d", *keystestSeed)
			c := harness.Start(t, s, harness.Options{})
			sent := newRecorder(t)
			cl, _ := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: sent})
			w := &twin{
				T: t, ctx: within(t, twinTime), kapi: client.NewKeysAPI(cl), sent: sent, store: keystest.New(), hiddenOneIn: 5,
				rand: rand.New(rand.NewPCG(*keystestSeed, 0)), //nolint:gosec // To be repeated.
			}
			w.store.DirUpdates = strings.HasPrefix(s.Version, "3.4.")
			w.alignIndexes()
			run(w)
		})
	}
}

// alignIndexes brings the store to the index of the server, which has written more or
// less on its own behalf.
func (w *twin) alignIndexes() {
	w.Helper()
	resp, err := w.kapi.Get(w.ctx, "/", nil)
	for index := mustResponse(w.T, resp, err).Index; w.store.Index() < index; {
		_, err := w.store.Set(w.ctx, "/_padding", "", nil)
		mustResponse(w.T, resp, err)
	}
}

// A call is one that both get.
type call struct {
	text string
	do   func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error)
}

func (w *twin) call(c call) *client.Response {
	w.Helper()
	want, wantErr := c.do(w.ctx, w.kapi)
	got, gotErr := c.do(w.ctx, w.store)
	w.compare(c.text, got, gotErr, want, wantErr)
	return want
}

func (w *twin) compare(what string, got *client.Response, gotErr error, want *client.Response, wantErr error) {
	w.Helper()
	if diff := cmp.Diff(answerOf(want, wantErr), answerOf(got, gotErr), cmpopts.IgnoreFields(client.Response{}, "ClusterID")); diff != "" {
		w.Fatalf("%s (-server +store):\n%s", what, diff)
	}
}

// An answer is what came of a call, in the form that is compared.
type answer struct {
	Response *client.Response
	Refusal  client.Error // without the endpoint
	Failed   bool         // by a ClusterError
	Unknown  bool
	Other    string
}

func answerOf(resp *client.Response, err error) answer {
	a := answer{Response: resp}
	if resp != nil && resp.Node != nil {
		sortNodes(resp.Node)
	}
	var ce *client.ClusterError
	a.Failed = errors.As(err, &ce)
	a.Unknown = errors.Is(err, client.ErrOutcomeUnknown)
	if !errors.As(err, &a.Refusal) && err != nil {
		a.Other = err.Error()
	}
	a.Refusal.Endpoint = ""
	return a
}

func sortNodes(n *client.Node) {
	slices.SortFunc(n.Nodes, func(a, b *client.Node) int { return strings.Compare(a.Key, b.Key) })
	for _, child := range n.Nodes {
		sortNodes(child)
	}
}

func pick[T any](w *twin, from ...T) T { return from[w.rand.IntN(len(from))] }

// key gives a key below /r, or now and then the root.
func (w *twin) key() string {
	if w.rand.IntN(40) == 0 {
		return pick(w, "/", "r//a/", "")
	}
	key := "/r"
	for range 1 + w.rand.IntN(4) {
		if w.rand.IntN(w.hiddenOneIn) == 0 {
			key += "/_h"
		} else {
			key += "/" + pick(w, "a", "a", "b", "ab")
		}
	}
	return key
}

func (w *twin) maybe(oneIn int) bool { return w.rand.IntN(oneIn) == 0 }

// prevIndex gives none, that of a node, or a wrong one.
func (w *twin) prevIndex(key string) uint64 {
	resp, err := w.kapi.Get(w.ctx, key, nil)
	switch {
	case w.maybe(2):
		return 0
	case err != nil || w.maybe(3):
		return 1 + w.rand.Uint64N(9)
	}
	return resp.Node.ModifiedIndex
}

func (w *twin) prevValue() string { return pick(w, "", "", "v", "w") }

func (w *twin) randomCall() call {
	key, value := w.key(), pick(w, "", "v", "w")
	switch w.rand.IntN(12) {
	case 0, 1:
		o := &client.GetOptions{Recursive: w.maybe(2), Sort: w.maybe(2), Quorum: w.maybe(2)}
		return call{fmt.Sprintf("get %s %+v", key, *o), func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
			return kapi.Get(ctx, key, o)
		}}
	case 2, 3, 4, 5, 6:
		return w.randomSet(key, value)
	case 7:
		return call{"create " + key, func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
			return kapi.Create(ctx, key, value)
		}}
	case 8:
		return call{"update " + key, func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
			return kapi.Update(ctx, key, value)
		}}
	case 9:
		return call{"create in order " + key, func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
			return kapi.CreateInOrder(ctx, key, value, nil)
		}}
	}
	o := &client.DeleteOptions{Recursive: w.maybe(4), Dir: w.maybe(2)}
	if w.maybe(2) {
		o.PrevValue, o.PrevIndex = w.prevValue(), w.prevIndex(key)
	}
	return call{fmt.Sprintf("delete %s %+v", key, *o), func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
		return kapi.Delete(ctx, key, o)
	}}
}

func (w *twin) randomSet(key, value string) call {
	o := &client.SetOptions{
		PrevExist: pick(w, client.PrevIgnore, client.PrevIgnore, client.PrevIgnore, client.PrevExist, client.PrevNoExist),
		Dir:       w.maybe(4), NoValueOnSuccess: w.maybe(9),
	}
	if w.maybe(3) {
		o.PrevValue, o.PrevIndex = w.prevValue(), w.prevIndex(key)
	}
	if o.Dir && !w.maybe(20) {
		value = ""
	}
	return call{fmt.Sprintf("set %s %q %+v", key, value, *o), func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
		return kapi.Set(ctx, key, value, o)
	}}
}

// removeAll removes what the calls have made; it is an event to every watch below /r.
func (w *twin) removeAll() *client.Response {
	w.Helper()
	return w.call(call{"remove all", func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
		return kapi.Delete(ctx, "/r", &client.DeleteOptions{Recursive: true})
	}})
}

func (w *twin) set(key string) {
	w.Helper()
	w.call(call{"set " + key, func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
		return kapi.Set(ctx, key, "v", nil)
	}})
}

func TestStoreInMemoryAnswersAsServersDo(t *testing.T) {
	onTwins(t, func(w *twin) {
		for range 3000 {
			w.call(w.randomCall())
		}
	})
}

// A watchCase is a watch that both are asked for.
type watchCase struct {
	key  string
	opts client.WatcherOptions
}

func (w *twin) watchCase(after uint64) watchCase {
	c := watchCase{w.key(), client.WatcherOptions{Recursive: w.maybe(2), AfterIndex: after}}
	if strings.Trim(c.key, "/") == "" {
		c.opts.Recursive = true // There are no events of the root itself.
	}
	return c
}

func (w *twin) next(c watchCase, want, got client.Watcher) (*client.Response, error) {
	w.Helper()
	wantResp, wantErr := want.Next(w.ctx)
	gotResp, gotErr := got.Next(w.ctx)
	w.compare(fmt.Sprintf("next of %+v", c), gotResp, gotErr, wantResp, wantErr)
	return wantResp, wantErr
}

func TestStoreInMemoryTellsHistoryAsServersDo(t *testing.T) {
	onTwins(t, func(w *twin) {
		w.hiddenOneIn = 25 // The client pauses after each hidden event that it drops.
		for range 900 {    // So that a part of the history is lost.
			w.set("/r/padding")
		}
		for range 900 {
			w.call(w.randomCall())
		}
		w.set("/r/last")
		end := w.removeAll().Index // Below /r, history ends with this event.
		events, losses := 0, 0
		for range 40 {
			c := w.watchCase(1 + w.rand.Uint64N(end-1))
			if c.key = "/r/" + strings.TrimPrefix(c.key, "/r"); w.maybe(9) {
				c.key = "/r"
			}
			want, got := w.kapi.Watcher(c.key, &c.opts), w.store.Watcher(c.key, &c.opts)
			for range 12 {
				resp, err := w.next(c, want, got)
				if client.IsEventIndexCleared(err) {
					losses++
					break
				}
				if err != nil {
					w.Fatalf("next of %+v: %v", c, err)
				}
				if events++; resp.Node.ModifiedIndex == end {
					break
				}
			}
		}
		if events == 0 || losses == 0 {
			w.Errorf("got %d events and %d losses of history: both were to be compared", events, losses)
		}
	})
}

func TestStoreInMemoryTellsNewsAsServersDo(t *testing.T) {
	onTwins(t, func(w *twin) {
		for range 40 {
			cases := []watchCase{w.watchCase(0), w.watchCase(0), w.watchCase(0), w.watchCase(0)}
			finish := w.beginWatches(cases)
			for range 12 {
				w.call(w.randomCall())
			}
			w.endWatches(cases)
			finish()
		}
	})
}

// beginWatches lets both wait, and gives what compares their events when they came.
func (w *twin) beginWatches(cases []watchCase) (finish func()) {
	w.Helper()
	type outcome struct {
		resp *client.Response
		err  error
	}
	begin := func(kapi client.KeysAPI, c watchCase) <-chan outcome {
		came := make(chan outcome, 1)
		go func() {
			resp, err := kapi.Watcher(c.key, &c.opts).Next(w.ctx)
			came <- outcome{resp, err}
		}()
		return came
	}
	polls := w.sent.polls()
	var want, got []<-chan outcome
	for _, c := range cases {
		want, got = append(want, begin(w.kapi, c)), append(got, begin(w.store, c))
	}
	w.sent.waitWatches(w.T, polls+len(cases))
	harness.WaitFor(w.T, callTimeout, func() error {
		if n := w.store.Waiting(); n != len(cases) {
			return fmt.Errorf("%d watches wait", n)
		}
		return nil
	})
	return func() {
		w.Helper()
		for i, c := range cases {
			server, memory := <-want[i], <-got[i]
			w.compare(fmt.Sprintf("first event of %+v", c), memory.resp, memory.err, server.resp, server.err)
			if server.err != nil {
				w.Fatalf("first event of %+v: %v", c, server.err)
			}
		}
	}
}

// endWatches makes an event for each watch that has seen none.
func (w *twin) endWatches(cases []watchCase) {
	w.Helper()
	for _, c := range cases {
		w.removeAll()
		key := c.key
		if strings.Trim(key, "/") == "" {
			key = "/r/a"
		}
		w.set(key)
	}
}
