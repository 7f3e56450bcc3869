package bridge

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/integration/harness"
)

// sessionTTL is in seconds. Sessions live through the faults of one member with it, and
// through noise.
const sessionTTL = 10

func (st site) session(kapi client.KeysAPI) *concurrency.Session {
	st.Helper()
	s, err := concurrency.NewSession(kapi, concurrency.WithTTL(sessionTTL))
	if err != nil {
		st.Fatal(err)
	}
	st.Cleanup(func() {
		if err := s.Close(); err != nil {
			st.Error(err)
		}
	})
	return s
}

// A session outlives its TTL by renewals, which are no writes; without them its key
// goes.
func TestSessionOnTheBridge(t *testing.T) {
	onSites(t, 1, func(st site) {
		s := st.session(st.keys())
		for tries := 0; !st.outlivesItsTTL(s); tries++ {
			if tries == 3 { // A machine that stands still is not to blame so often.
				st.Fatal(s.Err())
			}
			s = st.session(st.keys())
		}
		v3 := st.client()
		s.Orphan()
		harness.WaitFor(st.T, recovery, func() error {
			if n := st.countOf(st.ctx, v3, s.Key()); n > 0 {
				return errors.New("the key of a session that nobody renews is there")
			}
			return nil
		})
	})
}

// outlivesItsTTL is false if the session has ended.
func (st site) outlivesItsTTL(s *concurrency.Session) bool {
	st.Helper()
	kapi := st.keys()
	begun, err := kapi.Get(st.ctx, s.Key(), nil)
	if err != nil {
		st.Fatal(err)
	}
	<-time.After((sessionTTL + 2) * time.Second)
	now, err := kapi.Get(st.ctx, s.Key(), nil)
	if s.Err() != nil {
		st.Log(s.Err())
		return false
	}
	if err != nil || now.Node.ModifiedIndex != begun.Node.ModifiedIndex || now.Node.TTL == 0 {
		st.Fatalf("after its TTL: %+v, %v", now, err)
	}
	return true
}

// Who is next has a lock, or leads, when the session of the one before has ended.
func TestLockOfADeadHolder(t *testing.T) {
	onSites(t, 1, func(st site) {
		takings, fences := map[string]taking{"/lock": takeLock, "/election": lead}, map[string]uint64{}
		first, second := st.session(st.keys()), st.session(st.keys())
		for dir, take := range takings {
			fence, _, err := take(st.ctx, first, dir)
			if err != nil {
				st.Fatal(err)
			}
			fences[dir] = fence
		}
		died := time.Now()
		first.Orphan()
		for dir, take := range takings {
			next, leave, err := take(st.ctx, second, dir)
			took := time.Since(died)
			if err != nil || next <= fences[dir] || took > recovery {
				st.Fatalf("%s: the fence %d follows %d, after %v, %v", dir, next, fences[dir], took, err)
			}
			st.Logf("%s: the next one had it after %v", dir, took.Round(time.Millisecond))
			if err := leave(st.ctx); err != nil {
				st.Error(err)
			}
		}
	})
}

// Jobs come in the order in which they were put in; those of a consumer that has died
// come again.
func TestQueueOnTheBridge(t *testing.T) {
	onSites(t, 1, func(st site) {
		producer := concurrency.NewQueue(st.session(st.keys()), "/jobs")
		var want []string
		for n := range 10 {
			value := fmt.Sprintf("job %d", n)
			if _, err := producer.Enqueue(st.ctx, value); err != nil {
				st.Fatal(err)
			}
			want = append(want, value)
		}
		dies := st.session(st.keys())
		dying := concurrency.NewQueue(dies, "/jobs")
		defer dying.Close()
		if item, err := dying.Dequeue(st.ctx); err != nil || item.Value != want[0] {
			st.Fatalf("first: %v, %v", item, err)
		}
		dies.Orphan()
		queue := concurrency.NewQueue(st.session(st.keys()), "/jobs")
		defer queue.Close()
		var got []string
		for range want {
			item, err := queue.Dequeue(st.ctx)
			if err != nil {
				st.Fatal(err)
			}
			got = append(got, item.Value)
			if err := item.Ack(st.ctx); err != nil {
				st.Fatal(err)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			st.Errorf("got %q", got)
		}
		if n, err := queue.Len(st.ctx); n != 0 || err != nil {
			st.Errorf("left: %d, %v", n, err)
		}
	})
}
