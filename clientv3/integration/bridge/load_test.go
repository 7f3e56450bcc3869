package bridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// What the callers of a load write, each below a directory of its own.
const (
	queueDir   = "/queue"
	treeDir    = "/tree"
	setsDir    = "/sets"
	tokensDir  = "/tokens"
	heldDir    = "/held"
	counterKey = "/counter"
	endKey     = "/~end" // written when all is over
)

const (
	longTTL = time.Hour   // of what is not to expire
	heldTTL = time.Minute // of what is kept alive; longer than any noise
	full    = "full"      // what a token is before it is taken
)

// A load is callers of all kinds.
type load struct {
	*crew
	jobs, creations, sets, swaps, takings, refreshes ledger

	following sync.WaitGroup
	watches   []*following
}

// startLoad starts callers with a few clients.
func startLoad(st site) *load {
	st.Helper()
	l, first := &load{crew: st.newCrew()}, st.keys()
	var begin uint64
	for _, key := range []string{setsDir + "/begin", counterKey} {
		st.eventually(func(ctx context.Context) error {
			resp, err := first.Set(ctx, key, "0", nil)
			if err == nil {
				begin = resp.Node.ModifiedIndex
			}
			return err
		})
	}
	for i := range 3 {
		name, kapi, rival := fmt.Sprintf("w%d", i), st.keys(), st.keys()
		l.work(func(ctx context.Context, n int) error { return l.createJob(ctx, kapi, name, n) })
		l.work(func(ctx context.Context, _ int) error { return changeTree(ctx, kapi) })
		l.work(func(ctx context.Context, n int) error { return l.set(ctx, kapi, name, n) })
		l.work(func(ctx context.Context, _ int) error { return l.countUp(ctx, kapi) })
		l.work(func(ctx context.Context, n int) error { return l.takeToken(ctx, name, n, kapi, rival) })
		l.work(func(ctx context.Context, _ int) error { return l.hold(ctx, kapi, heldDir+"/"+name) })
		l.follow(st.keys(), begin)
	}
	l.followEvents(st.keys(), begin)
	return l
}

// createJob makes a node whose value is nobody else's.
func (l *load) createJob(ctx context.Context, kapi client.KeysAPI, name string, n int) error {
	value := valueOf(name, n)
	return l.jobs.note(ctx, "", value, func(ctx context.Context) (*client.Response, error) {
		return kapi.CreateInOrder(ctx, queueDir, value, &client.CreateInOrderOptions{TTL: ttlOf(value)})
	})
}

const lasting = ", to last" // what values end in that have no TTL

// valueOf gives a value that nobody else writes.
func valueOf(name string, n int) string {
	if n%3 > 0 {
		return fmt.Sprintf("%s.%d%s", name, n, lasting)
	}
	return fmt.Sprintf("%s.%d", name, n)
}

// ttlOf gives the TTL that a value is written with.
func ttlOf(value string) time.Duration {
	if strings.HasSuffix(value, lasting) {
		return 0
	}
	return longTTL
}

// changeTree makes and removes files and directories where others do.
func changeTree(ctx context.Context, kapi client.KeysAPI) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var b strings.Builder
	b.WriteString(treeDir)
	for range 1 + rand.IntN(4) {
		b.WriteString("/" + string("ab"[rand.IntN(2)]))
	}
	key := b.String()
	var err error
	switch rand.IntN(8) {
	case 0, 1, 2:
		_, err = kapi.Set(ctx, key, "v", nil)
	case 3:
		_, err = kapi.Create(ctx, key, "v")
	case 4:
		_, err = kapi.Set(ctx, key, "", &client.SetOptions{Dir: true})
	case 5:
		_, err = kapi.CreateInOrder(ctx, key, "v", nil)
	case 6:
		_, err = kapi.Delete(ctx, key, &client.DeleteOptions{Dir: rand.IntN(2) == 0})
	default:
		_, err = kapi.Delete(ctx, key, &client.DeleteOptions{Recursive: true})
	}
	return err
}

// set sets a key of the caller's own, or creates one, each time to a value that nobody
// else writes.
func (l *load) set(ctx context.Context, kapi client.KeysAPI, name string, n int) error {
	value := valueOf(name, n)
	key, book, o := setsDir+"/"+name, &l.sets, client.SetOptions{TTL: ttlOf(value)}
	if n%2 == 0 {
		key, book, o.PrevExist = setsDir+"/new/"+value, &l.creations, client.PrevNoExist
	}
	return book.note(ctx, key, value, func(ctx context.Context) (*client.Response, error) {
		return kapi.Set(ctx, key, value, &o)
	})
}

// countUp counts all calls of all callers that have succeeded.
func (l *load) countUp(ctx context.Context, kapi client.KeysAPI) error {
	read, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	now, err := kapi.Get(read, counterKey, &client.GetOptions{Quorum: true})
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(now.Node.Value)
	if err != nil {
		return err
	}
	o := client.SetOptions{PrevValue: now.Node.Value}
	if n%2 == 0 {
		o = client.SetOptions{PrevIndex: now.Node.ModifiedIndex}
	}
	return l.swaps.note(ctx, counterKey, "", func(ctx context.Context) (*client.Response, error) {
		return kapi.Set(ctx, counterKey, strconv.Itoa(n+1), &o)
	})
}

// takeToken creates a key, which two callers then want to have deleted.
func (l *load) takeToken(ctx context.Context, name string, n int, rivals ...client.KeysAPI) error {
	key := fmt.Sprintf("%s/%s.%d", tokensDir, name, n)
	creating, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := rivals[0].Create(creating, key, full); err != nil {
		return err
	}
	errs := make([]error, len(rivals))
	var taking sync.WaitGroup
	for i, kapi := range rivals {
		taking.Go(func() {
			errs[i] = l.takings.note(ctx, key, "", func(ctx context.Context) (*client.Response, error) {
				return kapi.Delete(ctx, key, &client.DeleteOptions{PrevValue: full})
			})
		})
	}
	taking.Wait()
	for _, err := range errs {
		if outcomeOf(err) == wrong {
			return err
		}
	}
	return nil
}

// hold keeps a node alive.
func (l *load) hold(ctx context.Context, kapi client.KeysAPI, key string) error {
	err := l.refreshes.note(ctx, key, "", func(ctx context.Context) (*client.Response, error) {
		return client.Refresh(ctx, kapi, key, heldTTL)
	})
	if !client.IsKeyNotFound(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = kapi.Set(ctx, key, "v", &client.SetOptions{TTL: heldTTL})
	return err
}

// A following is what one watch of the sets told.
type following struct {
	name   string
	events []string
	err    error
}

// tell takes an event, and is true for the last one.
func (f *following) tell(index uint64, key, value string) bool {
	if key == setsDir+endKey {
		return true
	}
	f.events = append(f.events, fmt.Sprintf("%d %s=%s", index, key, value))
	return false
}

// follow watches the sets by a Watcher.
func (l *load) follow(kapi client.KeysAPI, begin uint64) {
	f := &following{name: fmt.Sprintf("watcher %d", len(l.watches))}
	l.watches = append(l.watches, f)
	w := kapi.Watcher(setsDir, &client.WatcherOptions{Recursive: true, AfterIndex: begin})
	l.following.Go(func() {
		for over := false; !over && f.err == nil; {
			over = f.next(l.ctx, w)
		}
	})
}

// next waits for one event, for a while.
func (f *following) next(ctx context.Context, w client.Watcher) (over bool) {
	short, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ev, err := w.Next(short)
	switch {
	case err == nil:
		return f.tell(ev.Node.ModifiedIndex, ev.Node.Key, ev.Node.Value)
	case ctx.Err() != nil:
		f.err = ctx.Err()
	case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, client.ErrClusterUnavailable):
		f.err = err
	}
	return false
}

// followEvents watches the sets by client.Events.
func (l *load) followEvents(kapi client.KeysAPI, begin uint64) {
	f := &following{name: "Events"}
	l.watches = append(l.watches, f)
	l.following.Go(func() {
		for ev, err := range client.Events(l.ctx, kapi, setsDir, &client.EventsOptions{Recursive: true, AfterIndex: begin}) {
			if err != nil || ev.Kind == client.EventResync {
				f.err = fmt.Errorf("%v, %w", ev, err)
				return
			}
			if f.tell(ev.Index, ev.Node.Key, ev.Node.Value) {
				return
			}
		}
	})
}

// conclude stops the load when each kind of call has succeeded once more, and compares
// what its callers were told with what has happened.
func (l *load) conclude() {
	l.Helper()
	books := map[string]*ledger{
		"CreateInOrder": &l.jobs, "Create": &l.creations, "Set": &l.sets, "swap": &l.swaps, "take": &l.takings, "refresh": &l.refreshes,
	}
	before := map[string]int{}
	for name, book := range books {
		before[name] = book.count(acknowledged)
	}
	harness.WaitFor(l.T, recovery, func() error {
		for name, book := range books {
			if book.count(acknowledged) <= before[name] {
				return fmt.Errorf("no %s has succeeded since all members are well", name)
			}
		}
		return nil
	})
	l.rest()
	kapi := l.keys()
	for _, key := range []string{setsDir + endKey, endKey} {
		l.eventually(func(ctx context.Context) error { return failure(kapi.Set(ctx, key, "", nil)) })
	}
	l.following.Wait()
	for name, book := range books {
		l.Logf("%s: %d acknowledged, %d refused, %d unknown, %d without effect", name,
			book.count(acknowledged), book.count(refused), book.count(unknown), book.count(noEffect))
	}
	audit(l)
}

func failure(_ *client.Response, err error) error { return err }
