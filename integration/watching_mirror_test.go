package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/mirror"
)

// A gardener changes a directory in all the ways there are.
type gardener struct {
	kapi func() client.KeysAPI
	dir  string
	rand *rand.Rand
	mu   sync.Mutex // held during each change, or to pause the work
	done int        // guarded by mu
}

// change makes one change. Most that fail do so because there is nothing to change.
func (g *gardener) change(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	kapi := g.kapi()
	d := fmt.Sprintf("%s/d%d", g.dir, g.rand.IntN(6))
	sub := fmt.Sprintf("%s/s%d", d, g.rand.IntN(3))
	key := fmt.Sprintf("%s/k%d", []string{g.dir, d, sub}[g.rand.IntN(3)], g.rand.IntN(8))
	value := fmt.Sprint(g.done)
	var err error
	switch g.rand.IntN(20) {
	case 0:
		_, err = kapi.Delete(ctx, d, &client.DeleteOptions{Recursive: true})
	case 1:
		_, err = kapi.Delete(ctx, key, nil)
	case 2:
		_, err = kapi.Set(ctx, key, value, &client.SetOptions{TTL: time.Second})
	case 3: // A directory that expires with what will be below it.
		_, err = kapi.Set(ctx, sub, "", &client.SetOptions{Dir: true, TTL: time.Second, PrevExist: client.PrevNoExist})
	case 4:
		_, err = kapi.CreateInOrder(ctx, d, value, nil)
	case 5:
		_, err = kapi.Update(ctx, key, value)
	case 6:
		_, err = kapi.Set(ctx, fmt.Sprintf("%s/_hidden/k%d", g.dir, g.rand.IntN(3)), value, nil)
	case 7:
		_, err = kapi.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevNoExist})
	default:
		_, err = kapi.Set(ctx, key, value, nil)
	}
	if err == nil {
		g.done++
	}
}

// work works until the context ends.
func (g *gardener) work(ctx context.Context, pace time.Duration) {
	for ctx.Err() == nil {
		g.change(ctx)
		if pace > 0 {
			pause(pace)
		}
	}
}

// plain leaves a list of nodes without what runs down, in the order of the keys.
func plain(nodes []*client.Node) []client.Node {
	var list []client.Node
	for _, n := range nodes {
		one := *n
		one.Nodes, one.TTL, one.Expiration = nil, 0, nil
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b client.Node) int { return strings.Compare(a.Key, b.Key) })
	return list
}

func flat(nodes []*client.Node, n *client.Node) []*client.Node {
	nodes = append(nodes, n)
	for _, child := range n.Nodes {
		nodes = flat(nodes, child)
	}
	return nodes
}

// A reflection is a mirror and what it has told of its changes.
type reflection struct {
	m      *mirror.Mirror
	mu     sync.Mutex // guards the fields below
	nodes  map[string]*client.Node
	index  uint64
	calls  int
	most   int // changes in one call
	faults []string
}

func (r *reflection) take(changes []mirror.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	r.most = max(r.most, len(changes))
	for _, ch := range changes {
		if old := r.nodes[ch.Key]; old != ch.Old || ch.Index < r.index {
			r.faults = append(r.faults, fmt.Sprintf("%s %s at %d after %d: old %v, was %v", ch.Kind, ch.Key, ch.Index, r.index, ch.Old, old))
		}
		if ch.New == nil {
			delete(r.nodes, ch.Key)
		} else {
			r.nodes[ch.Key] = ch.New
		}
		r.index = ch.Index
	}
}

// check writes a mark, and compares mirror and store at its index: with the
// gardener at rest, whatever has expired since makes it try again.
func (r *reflection) check(t *testing.T, g *gardener) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	const tries = 200
	for range tries {
		if r.compare(t, g) {
			return
		}
	}
	t.Errorf("the store did not stand still in %d tries", tries)
}

// compare is false when the store has gone on.
func (r *reflection) compare(t *testing.T, g *gardener) bool {
	t.Helper()
	var mark, now *client.Response
	eventually(t, func(ctx context.Context) (err error) {
		mark, err = g.kapi().Set(ctx, g.dir+"/mark", "v", nil)
		return err
	})
	eventually(t, func(ctx context.Context) (err error) {
		now, err = g.kapi().Get(ctx, g.dir, &client.GetOptions{Recursive: true, Quorum: true})
		return err
	})
	at := mark.Node.ModifiedIndex
	if now.Index != at {
		return false
	}
	if err := r.m.WaitIndex(within(t, 20*time.Second), at); err != nil {
		t.Fatalf("wait for index %d, at %d: %v", at, r.m.Index(), err)
	}
	v := r.m.View()
	if v.Index() != at {
		return false
	}
	if diff := cmp.Diff(plain(flat(nil, now.Node)), plain(slices.Collect(v.Walk(g.dir))), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("at index %d, store and mirror (-store +mirror):\n%s", at, diff)
	}
	return true
}

// quickly makes a client that finds out sooner, and connects to nobody while shut.
func quickly(shut *atomic.Bool) func(*client.Config) {
	dialer := &net.Dialer{}
	return func(cfg *client.Config) {
		cfg.StallInterval = 500 * time.Millisecond
		cfg.Transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if shut.Load() {
				return nil, errors.New("shut")
			}
			return dialer.DialContext(ctx, network, addr)
		}}
	}
}

// floodKeys is how many keys a flood writes.
const floodKeys = 16

// flood makes more events in the garden than servers remember.
func (p *proof) flood(g *gardener) {
	p.Helper()
	const each = 80 // 1,280.
	var wg sync.WaitGroup
	for i := range floodKeys {
		wg.Go(func() {
			for n := range each {
				eventually(p.T, func(ctx context.Context) error {
					return set(ctx, g.kapi(), fmt.Sprintf("%s/flood/%d", g.dir, i), fmt.Sprint(n))
				})
			}
		})
	}
	wg.Wait()
}

func TestMirrorEqualsTheStoreDuringFaults(t *testing.T) {
	proveOnAll(t, func(p *proof) {
		g := &gardener{dir: uniqueKey("garden"), rand: rand.New(rand.NewPCG(*watchSeed, 1))} //nolint:gosec // To be repeated.
		p.writer = &numberedWriter{}
		p.writer.use(p.T, p.c.Members())
		g.kapi = func() client.KeysAPI { return *p.writer.api.Load() }
		var shut atomic.Bool
		r := &reflection{nodes: map[string]*client.Node{}}
		ctx, cancel := context.WithCancel(p.Context())
		var err error
		r.m, err = mirror.New(ctx, freshKeys(p.T, p.c, quickly(&shut)), g.dir, &mirror.Options{OnChange: r.take})
		check(p.T, err)
		var working sync.WaitGroup
		defer working.Wait()
		defer cancel()
		working.Go(func() { g.work(ctx, 2*time.Millisecond) })

		checks := 0
		look := func() {
			r.check(p.T, g)
			checks++
		}
		look()
		work := func() { pause(500 * time.Millisecond) }
		// A mark within the fault shows that the mirror gets past it.
		for _, i := range p.rand.Perm(len(faultKinds())) {
			p.suffer(faultKinds()[i], func() bool { work(); look(); return true })
			work()
			look()
		}

		// While the mirror reaches nobody, the history is overrun.
		g.mu.Lock()
		shut.Store(true)
		for _, m := range p.c.Members() {
			m.Proxy().Reset()
		}
		p.flood(g)
		shut.Store(false)
		g.mu.Unlock()
		look()
		work()
		look()

		cancel()
		working.Wait()
		<-r.m.Done()
		if !errors.Is(r.m.Err(), context.Canceled) {
			p.Errorf("the mirror has ended with %v", r.m.Err())
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, f := range r.faults[:min(5, len(r.faults))] {
			p.Error(f)
		}
		told := make([]*client.Node, 0, len(r.nodes))
		for _, n := range r.nodes {
			told = append(told, n)
		}
		if diff := cmp.Diff(plain(slices.Collect(r.m.Walk(g.dir))), plain(told)); diff != "" {
			p.Errorf("mirror and what it told of (-mirror +told):\n%s", diff)
		}
		if r.most < floodKeys {
			p.Errorf("at most %d changes at once: no history was lost", r.most)
		}
		p.Logf("%d changes, %d calls of OnChange, %d checks, %d nodes in the end", g.done, r.calls, checks, len(r.nodes))
	})
}
