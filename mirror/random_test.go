package mirror_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/mirror"
)

// TestRandom drives a store with random operations, on the mirrored directory,
// below, above and beside it, and after each batch compares the mirror with a
// recursive Get, and with what its changes alone make.
func TestRandom(t *testing.T) {
	for _, dir := range []string{"/", "/a", "/a/b", "/_h", "/a/_h/b"} {
		for _, c := range []struct {
			name        string
			limit, odds int
		}{
			{name: "calm", limit: 1000},
			{name: "faults", limit: 1000, odds: 4},
			{name: "losses", limit: 3},
			{name: "faults and losses", limit: 5, odds: 6},
		} {
			t.Run(dir+" "+c.name, func(t *testing.T) {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				synctest.Test(t, func(t *testing.T) {
					runRandom(t, dir, c.limit, c.odds, seed)
				})
			})
		}
	}
}

const (
	batches   = 150
	batchSize = 12
)

func runRandom(t *testing.T, dir string, limit, odds int, seed uint64) {
	t.Helper()
	d := &driver{rand: rand.New(rand.NewPCG(seed, 0)), store: newStore(limit), dir: dir}
	for range d.rand.IntN(40) {
		d.operate(t)
	}
	replica := &replica{nodes: map[string]*client.Node{}}
	api := &faulty{KeysAPI: d.store, rand: rand.New(rand.NewPCG(seed, 1)), odds: odds}
	m, err := mirror.New(t.Context(), api, dir, &mirror.Options{OnChange: replica.apply})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	operations := 0
	for range batches {
		for range 1 + d.rand.IntN(batchSize) {
			d.operate(t)
			operations++
		}
		if err := m.WaitIndex(t.Context(), d.store.lastEvent(dir)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // for OnChange
		compare(t, d.store, dir, m.View())
		replica.compare(t, m.View())
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d operations, %d changes", operations, replica.changes)
}

// driver makes random operations.
type driver struct {
	rand  *rand.Rand
	store *store
	dir   string
}

func (d *driver) key() string {
	key := d.dir
	switch d.rand.IntN(12) {
	case 0: // above
		key = path.Dir(d.dir)
	case 1: // beside
		key = strings.TrimSuffix(d.dir, "/") + "b"
	}
	for range d.rand.IntN(4) {
		key = path.Join(key, []string{"a", "b", "a-b", "a.b", "_h"}[d.rand.IntN(5)])
	}
	return key
}

func (d *driver) operate(t *testing.T) {
	t.Helper()
	ctx, key, s := t.Context(), d.key(), d.store
	var ttl time.Duration
	if d.rand.IntN(4) == 0 {
		ttl = time.Duration(1+d.rand.IntN(3)) * time.Second
	}
	value := fmt.Sprint(d.rand.IntN(3) + 1)
	before := s.index
	var err error
	switch op := d.rand.IntN(14); op {
	case 0, 1, 2, 3, 4, 5, 6:
		if d.isUntold(key, op < 5) {
			return
		}
		switch op {
		case 0, 1, 2:
			_, err = s.Set(ctx, key, value, &client.SetOptions{TTL: ttl})
		case 3:
			_, err = s.Create(ctx, key, value)
		case 4:
			_, err = s.Set(ctx, key, "", &client.SetOptions{Dir: true, TTL: ttl})
		default:
			_, err = s.CreateInOrder(ctx, key, value, &client.CreateInOrderOptions{TTL: ttl})
		}
	case 7:
		_, err = s.Update(ctx, key, value)
	case 8:
		_, err = s.Set(ctx, key, value, &client.SetOptions{PrevValue: "1", TTL: ttl})
	case 9:
		_, err = s.Set(ctx, key, "", &client.SetOptions{PrevExist: client.PrevExist, Dir: true, TTL: ttl})
	case 10:
		_, err = s.Set(ctx, key, "", &client.SetOptions{PrevExist: client.PrevExist, Refresh: true, TTL: 2 * time.Second})
	case 11:
		_, err = s.Delete(ctx, key, &client.DeleteOptions{Recursive: d.rand.IntN(2) == 0})
	case 12:
		_, err = s.Delete(ctx, key, &client.DeleteOptions{PrevValue: "2"})
	case 13:
		<-time.After(time.Second)
		s.expire()
		return
	}
	if (err == nil) != (s.index == before+1) {
		t.Errorf("the store went from %d to %d with error %v", before, s.index, err)
	}
}

// isUntold is true for what a mirror can't follow: a hidden key whose visible
// parents would come to be with it, which is no event, and a file above the
// mirrored directory, with which the directory can't be read.
func (d *driver) isUntold(key string, file bool) bool {
	dir := strings.TrimSuffix(d.dir, "/")
	if file && key != d.dir && strings.HasPrefix(dir+"/", strings.TrimSuffix(key, "/")+"/") {
		return true
	}
	below, within := strings.CutPrefix(key, dir)
	visible, _, hidden := strings.Cut(below, "/_")
	if !within || !hidden {
		return false
	}
	_, err := d.store.find(dir + visible)
	return err != nil
}

// compare compares a view with the store.
func compare(t *testing.T, s *store, dir string, v *mirror.View) {
	t.Helper()
	want := s.snapshot(dir)
	got := slices.Collect(v.Walk(dir))
	byKey := func(a, b *client.Node) int { return cmp.Compare(a.Key, b.Key) }
	slices.SortFunc(got, byKey)
	if !slices.EqualFunc(got, want, func(a, b *client.Node) bool { return isMirrored(s, a, b) }) {
		t.Errorf("at index %d of %d:\nmirror %s\nstore  %s", v.Index(), s.index, show(got), show(want))
	}
	if v.Index() > s.index {
		t.Errorf("index %d, the store's is %d", v.Index(), s.index)
	}
	for _, n := range want {
		if v.Get(n.Key) == nil {
			t.Errorf("Get(%q) gives nothing", n.Key)
		}
		var children []*client.Node
		for _, below := range got {
			if path.Dir(below.Key) == path.Join("/", n.Key) && below.Key != "" {
				children = append(children, below)
			}
		}
		if list := v.List(n.Key); !slices.Equal(list, children) {
			t.Errorf("List(%q) gives %s, not %s", n.Key, show(list), show(children))
		}
	}
}

// isMirrored compares a node with the store's. Of refreshes, nobody is told.
func isMirrored(s *store, got, want *client.Node) bool {
	if got.Key != want.Key || got.Dir != want.Dir || got.Value != want.Value || got.CreatedIndex != want.CreatedIndex || got.Nodes != nil {
		return false
	}
	if want.Dir { // its ModifiedIndex does not show that its TTL was refreshed
		return got.ModifiedIndex == want.ModifiedIndex
	}
	return s.refreshes[want.ModifiedIndex] && got.ModifiedIndex <= want.ModifiedIndex ||
		got.ModifiedIndex == want.ModifiedIndex && isSameTime(got.Expiration, want.Expiration)
}

func isSameTime(a, b *time.Time) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Equal(*b))
}

func show(nodes []*client.Node) string {
	var b strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&b, "{%s dir=%t %q %d %d} ", n.Key, n.Dir, n.Value, n.CreatedIndex, n.ModifiedIndex)
	}
	return b.String()
}

// replica is what a consumer makes of the changes.
type replica struct {
	mu      sync.Mutex // guards the fields below
	nodes   map[string]*client.Node
	index   uint64
	changes int
	wrong   []string
}

func (r *replica) apply(changes []mirror.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes += len(changes)
	if len(changes) == 0 || changes[0].Index <= r.index {
		r.wrong = append(r.wrong, fmt.Sprintf("%d changes after index %d: %v", len(changes), r.index, changes))
	}
	for _, c := range changes {
		r.index = c.Index
		parent := r.nodes[path.Dir(c.Key)]
		ok := c.Index == changes[0].Index && c.Old == r.nodes[c.Key]
		switch c.Kind {
		case mirror.Added:
			ok = ok && c.Old == nil && c.New != nil
		case mirror.Changed:
			ok = ok && c.Old != nil && c.New != nil
		case mirror.Removed:
			ok = ok && c.Old != nil && c.New == nil
		}
		for key := range r.nodes {
			if c.Kind == mirror.Removed && strings.HasPrefix(key, c.Key+"/") {
				ok = false // a child is left
			}
		}
		if c.New != nil && len(r.nodes) > 0 && c.Kind == mirror.Added && (parent == nil || !parent.Dir) {
			ok = false
		}
		if !ok {
			r.wrong = append(r.wrong, fmt.Sprintf("%v in %v", c, changes))
		}
		if c.New == nil {
			delete(r.nodes, c.Key)
		} else {
			r.nodes[c.Key] = c.New
		}
	}
}

func (r *replica) compare(t *testing.T, v *mirror.View) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, wrong := range r.wrong {
		t.Error("wrong change:", wrong)
	}
	left := len(r.nodes)
	for n := range v.Walk("/") {
		left--
		if r.nodes[path.Join("/", n.Key)] != n {
			t.Errorf("%v is not what the changes made: %v", n, r.nodes[n.Key])
		}
	}
	if left != 0 {
		t.Errorf("the changes made %d nodes too many", left)
	}
}
