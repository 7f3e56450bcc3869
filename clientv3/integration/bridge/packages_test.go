package bridge

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/mirror"
	"github.com/coreos/etcd/clientv3"
)

const gardenDir = "/garden"

// A gardener changes a directory in all the ways there are.
type gardener struct {
	*rand.Rand
	kapi client.KeysAPI
}

func newGardener(t *testing.T, kapi client.KeysAPI) gardener {
	t.Helper()
	t.Logf("-bridge-seed=%d", *seed)
	return gardener{rand.New(rand.NewPCG(*seed, 1)), kapi} //nolint:gosec // To be repeated.
}

// change makes one change. Most that are refused are so as there is nothing to change.
func (g gardener) change(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	dir := fmt.Sprintf("%s/d%d", gardenDir, g.IntN(4))
	sub := fmt.Sprintf("%s/s%d", dir, g.IntN(3))
	key := fmt.Sprintf("%s/k%d", []string{gardenDir, dir, sub}[g.IntN(3)], g.IntN(5))
	value := strconv.Itoa(n)
	var err error
	switch g.IntN(16) {
	case 0:
		_, err = g.kapi.Delete(ctx, dir, &client.DeleteOptions{Recursive: true})
	case 1, 2:
		_, err = g.kapi.Delete(ctx, key, nil)
	case 3:
		_, err = g.kapi.Set(ctx, key, value, &client.SetOptions{TTL: time.Second})
	case 4: // Its TTL ends, and what will be in it stays.
		_, err = g.kapi.Set(ctx, sub, "", &client.SetOptions{Dir: true, TTL: time.Second, PrevExist: client.PrevNoExist})
	case 5:
		_, err = g.kapi.CreateInOrder(ctx, dir, value, nil)
	case 6:
		_, err = g.kapi.Update(ctx, key, value)
	case 7:
		_, err = g.kapi.Set(ctx, fmt.Sprintf("%s/_hidden/k%d", gardenDir, g.IntN(3)), value, nil)
	case 8:
		_, err = g.kapi.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevNoExist})
	case 9:
		_, err = g.kapi.Set(ctx, sub, "", &client.SetOptions{Dir: true})
	default:
		_, err = g.kapi.Set(ctx, key, value, nil)
	}
	return err
}

// nodesOf gives the nodes without what runs down, and without the indexes of
// directories: one that nobody has marked has those of the first key in it.
func nodesOf(nodes func(func(*client.Node) bool)) client.Nodes {
	var all client.Nodes
	for n := range nodes {
		own := *n
		own.Nodes, own.TTL, own.Expiration = nil, 0, nil
		if own.Dir {
			own.CreatedIndex, own.ModifiedIndex = 0, 0
		}
		all = append(all, &own)
	}
	return all
}

// wantMirrored waits until a mirror shows what a Get does. Nobody writes meanwhile, but
// TTLs may end.
func (st site) wantMirrored(m *mirror.Mirror, kapi client.KeysAPI) {
	st.Helper()
	st.eventually(func(ctx context.Context) error {
		now, err := kapi.Get(ctx, gardenDir, &client.GetOptions{Recursive: true, Sort: true, Quorum: true})
		if err != nil {
			return err
		}
		if diff := cmp.Diff(nodesOf(now.Node.All()), nodesOf(m.Walk(gardenDir)), cmpopts.EquateEmpty()); diff != "" {
			return fmt.Errorf("(-store +mirror) %s", diff)
		}
		return m.Err()
	})
}

func TestMirrorOnTheBridge(t *testing.T) {
	onSites(t, 1, func(st site) {
		kapi := st.keys()
		g := newGardener(st.T, kapi)
		m, err := mirror.New(st.ctx, st.keys(), gardenDir, nil)
		if err != nil {
			st.Fatal(err)
		}
		defer m.Close()
		for round := range 5 {
			for n := range 60 {
				if err := g.change(st.ctx, 100*round+n); outcomeOf(err) != acknowledged && outcomeOf(err) != refused {
					st.Fatal(err)
				}
			}
			st.wantMirrored(m, kapi)
		}
	})
}

// A directory whose TTL ends stays for what is in it, and watches say no more than
// reads: nothing.
func TestDirectoryWhoseTTLEnds(t *testing.T) {
	onSites(t, 1, func(st site) {
		kapi := st.keys()
		after := set(st.ctx, st, kapi, "/begin", nil)
		set(st.ctx, st, kapi, "/d/full/k", nil)
		for dir, exist := range map[string]client.PrevExistType{"/d/full": client.PrevExist, "/d/empty": client.PrevNoExist} {
			if _, err := kapi.Set(st.ctx, dir, "", &client.SetOptions{Dir: true, TTL: time.Second, PrevExist: exist}); err != nil {
				st.Fatal(err)
			}
		}
		v3 := st.client()
		st.eventually(func(ctx context.Context) error {
			if n := st.countOf(ctx, v3, "/d/full/", "/d/empty/"); n > 0 {
				return fmt.Errorf("%d directories have a marker", n)
			}
			return nil
		})
		set(st.ctx, st, kapi, "/d/end", nil)
		told := map[string]int{}
		for ev, err := range client.Events(st.ctx, kapi, "/d", &client.EventsOptions{Recursive: true, AfterIndex: after}) {
			if err != nil {
				st.Fatal(err)
			}
			told[string(ev.Kind)+" "+ev.Node.Key]++
			if ev.Node.Key == "/d/end" {
				break
			}
		}
		want := map[string]int{"set /d/full/k": 1, "set /d/full": 1, "set /d/empty": 1, "expire /d/empty": 1, "set /d/end": 1}
		if diff := cmp.Diff(want, told); diff != "" {
			st.Errorf("events (-want +got):\n%s", diff)
		}
		now, err := kapi.Get(st.ctx, "/d/full", nil)
		if err != nil || !now.Node.Dir || now.Node.TTL != 0 || len(now.Node.Nodes) != 1 {
			st.Errorf("the directory that is not empty: %v, %v", now, err)
		}
	})
}

// countOf tells how many of the keys of the v3 store there are.
func (st site) countOf(ctx context.Context, c *clientv3.Client, keys ...string) int64 {
	st.Helper()
	n := int64(0)
	for _, key := range keys {
		resp, err := c.Get(ctx, prefix+key)
		if err != nil {
			st.Fatal(err)
		}
		n += resp.Count
	}
	return n
}

// Several programs count, half of them by a TTL that must not get lost.
func TestModifyOnTheBridge(t *testing.T) {
	const programs, each = 4, 10
	onSites(t, 1, func(st site) {
		set(st.ctx, st, st.keys(), "/count", &client.SetOptions{TTL: longTTL})
		var counting sync.WaitGroup
		for range programs {
			kapi := st.keys()
			counting.Go(func() {
				for range each {
					_, err := client.Modify(st.ctx, kapi, "/count", func(old *client.Node) (string, error) {
						n, _ := strconv.Atoi(old.Value) // It is "v" at first.
						return strconv.Itoa(n + 1), nil
					}, &client.ModifyOptions{KeepTTL: true})
					if err != nil {
						st.Error(err)
					}
				}
			})
		}
		counting.Wait()
		now, err := st.keys().Get(st.ctx, "/count", nil)
		if err != nil || now.Node.Value != strconv.Itoa(programs*each) || now.Node.TTL == 0 {
			st.Errorf("got %v, %v", now, err)
		}
		gone, err := client.Modify(st.ctx, st.keys(), "/count", func(*client.Node) (string, error) { return "", client.ErrDelete }, nil)
		if err != nil || gone.PrevNode.Value != now.Node.Value {
			st.Errorf("deleted: %v, %v", gone, err)
		}
	})
}

// Walk, QuorumReads and MonotonicReads give what was written, in order.
func TestReadsOnTheBridge(t *testing.T) {
	onSites(t, 3, func(st site) {
		kapi := st.keys()
		for _, read := range []client.KeysAPI{kapi, client.QuorumReads(kapi), client.MonotonicReads(st.keys()), client.MonotonicReads(client.QuorumReads(kapi))} {
			for n := range 20 {
				written := set(st.ctx, st, read, fmt.Sprintf("/w/a-%d/k", n%3), nil)
				resp, err := read.Get(st.ctx, "/w", &client.GetOptions{Recursive: true, Sort: true, Quorum: read == kapi})
				if err != nil || resp.Index < written {
					st.Fatalf("got %v, %v after a write at %d", resp, err, written)
				}
			}
		}
		resp, err := kapi.Get(st.ctx, "/w", &client.GetOptions{Recursive: true, Sort: true, Quorum: true})
		if err != nil {
			st.Fatal(err)
		}
		var keys []string
		err = resp.Node.Walk(func(n *client.Node) error {
			keys = append(keys, n.Key)
			if n.Key == "/w/a-1" {
				return fs.SkipDir
			}
			return nil
		})
		if want := []string{"/w", "/w/a-0", "/w/a-0/k", "/w/a-1", "/w/a-2", "/w/a-2/k"}; err != nil || !slices.Equal(keys, want) {
			st.Errorf("walked %q, %v", keys, err)
		}
	})
}

// A dump of a v2 server goes into the bridge, and one of the bridge back again, and
// nothing differs.
func TestDumpOnTheBridge(t *testing.T) {
	onEach(t, func(st *stage) {
		for n, key := range []string{"/a/b/c", "/a-b", "/a/x", "/_hid/den", "/ä b/%", "/n"} {
			if _, err := st.v2.Set(st.ctx, key, "v", &client.SetOptions{TTL: time.Duration(n%2) * longTTL}); err != nil {
				st.Fatal(err)
			}
		}
		for _, o := range []client.SetOptions{{Dir: true}, {Dir: true, TTL: longTTL}} {
			if _, err := st.v2.Set(st.ctx, "/dir"+strings.Repeat("s", int(o.TTL/longTTL)), "", &o); err != nil {
				st.Fatal(err)
			}
		}
		for range 3 {
			if _, err := st.v2.CreateInOrder(st.ctx, "/queue", "job", nil); err != nil {
				st.Fatal(err)
			}
		}
		hidden := []string{"/_hid"}
		for _, move := range []struct{ from, to client.KeysAPI }{{st.v2, st.bridge}, {st.bridge, st.v2}} {
			var file bytes.Buffer
			exported, err := dump.Export(st.ctx, move.from, &file, dump.ExportOptions{Hidden: hidden})
			if err != nil || exported.Keys != 9 {
				st.Fatalf("export: %+v, %v", exported, err)
			}
			if _, err = dump.Purge(st.ctx, move.to, dump.PurgeOptions{Hidden: hidden}); err != nil {
				st.Fatal(err)
			}
			imported, err := dump.Import(st.ctx, move.to, &file, dump.ImportOptions{})
			if err != nil || !imported.Verified || imported.Created != imported.Keys+imported.Directories {
				st.Fatalf("import: %+v, %v", imported, err)
			}
			compared := dump.DiffOptions{TTL: true, TTLTolerance: time.Minute}
			for d, err := range dump.Diff(st.ctx, dump.Store(st.v2, "/", hidden...), dump.Store(st.bridge, "/", hidden...), compared) {
				if err != nil {
					st.Fatal(err)
				}
				st.Errorf("%s %q: %+v, %+v", d.Kind, d.Key, d.Left, d.Right)
			}
		}
	})
}

// Conditions, also of the empty value, and TTLs are kept, renewed and dropped.
func TestConditionsOnTheBridge(t *testing.T) {
	onSites(t, 1, func(st site) {
		kapi, ctx := st.keys(), st.ctx
		want := func(what string, resp *client.Response, err error, value string, hasTTL bool) *client.Node {
			st.Helper()
			if err != nil {
				st.Fatalf("%s: %v", what, err)
			}
			now, err := kapi.Get(ctx, resp.Node.Key, &client.GetOptions{Quorum: true})
			if err != nil || now.Node.Value != value || (now.Node.TTL > 0) != hasTTL {
				st.Fatalf("%s: got %v, %v, want %q, a TTL: %v", what, now, err, value, hasTTL)
			}
			return now.Node
		}
		resp, err := kapi.Set(ctx, "/c/k", "", nil)
		first := want("Set", resp, err, "", false)
		resp, err = client.CompareAndSwap(ctx, kapi, "/c/k", "1", client.IfValue(""), &client.SwapOptions{TTL: longTTL})
		second := want("swap of the empty value", resp, err, "1", true)
		for _, wrong := range []client.Condition{client.IfValue(""), client.IfIndex(first.ModifiedIndex), client.IfValue("1").And(client.IfIndex(first.ModifiedIndex))} {
			if _, err = client.CompareAndSwap(ctx, kapi, "/c/k", "2", wrong, nil); !client.IsTestFailed(err) {
				st.Errorf("a condition that does not hold: %v", err)
			}
		}
		resp, err = client.Refresh(ctx, kapi, "/c/k", 2*longTTL)
		want("Refresh", resp, err, "1", true)
		resp, err = client.Persist(ctx, kapi, "/c/k")
		third := want("Persist", resp, err, "1", false)
		if third.CreatedIndex != first.CreatedIndex || third.ModifiedIndex <= second.ModifiedIndex {
			st.Errorf("indexes: %v, %v, %v", first, second, third)
		}
		if _, err = client.CompareAndDelete(ctx, kapi, "/c/k", client.IfValue("1").And(client.IfIndex(third.ModifiedIndex))); err != nil {
			st.Error(err)
		}
		resp, err = kapi.Set(ctx, "/c/d", "", &client.SetOptions{Dir: true, TTL: longTTL})
		want("Set of a directory", resp, err, "", true)
		resp, err = client.Persist(ctx, kapi, "/c/d")
		want("Persist of a directory", resp, err, "", false)
	})
}
