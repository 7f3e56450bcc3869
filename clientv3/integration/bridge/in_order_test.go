package bridge

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// Names that come from a v2 store are ahead of the revision of a new cluster. What is
// created then comes after them, and keeps its order.
func TestInOrderNamesComeAfterThoseBroughtAlong(t *testing.T) {
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			cluster := start(t, server)
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
			t.Cleanup(cancel)
			// As etcdctl migrate leaves them, beside names that are in no order.
			migrated := newClient(t, cluster)
			for _, name := range []string{nameOf(10_000_000), nameOf(10_000_007), "00x", "000000000000000000000", "7", "_9", "99999999999999999999"} {
				if _, err := migrated.Put(ctx, "/queue/"+name, "old"); err != nil {
					t.Fatal(err)
				}
			}
			q := &queue{T: t, ctx: ctx, greatest: "/queue/" + nameOf(10_000_007)}
			q.fill(cluster)
			q.check(keysapi.New(migrated))
		})
	}
}

// A queue is filled by several writers, half of whom bring names along.
type queue struct {
	*testing.T
	ctx context.Context

	mu       sync.Mutex // guards the fields below
	greatest string     // of the keys that are there
	created  []string
	brought  int // how many
}

const (
	writers      = 6
	jobsOfWriter = 20
)

func nameOf(number int) string { return fmt.Sprintf("%020d", number) }

func (q *queue) fill(cluster *harness.Cluster) {
	var group sync.WaitGroup
	for i := range writers {
		kapi := keysapi.New(newClient(q.T, cluster))
		group.Go(func() {
			for range jobsOfWriter {
				if i%2 == 0 {
					q.create(kapi)
				} else {
					q.bring(kapi)
				}
			}
		})
	}
	group.Wait()
}

func (q *queue) create(kapi client.KeysAPI) {
	before := q.last()
	resp, err := kapi.CreateInOrder(q.ctx, "/queue", "new", nil)
	if err != nil {
		q.Error(err)
		return
	}
	if resp.Node.Key <= before {
		q.Errorf("%s was created when %s was there", resp.Node.Key, before)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.created = append(q.created, resp.Node.Key)
	q.greatest = max(q.greatest, resp.Node.Key)
}

// bring sets a name that is ahead of all that were brought before.
func (q *queue) bring(kapi client.KeysAPI) {
	q.mu.Lock()
	q.brought++
	key := "/queue/" + nameOf(10_000_010+5*q.brought)
	q.mu.Unlock()
	if _, err := kapi.Set(q.ctx, key, "brought", nil); err != nil {
		q.Error(err)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.greatest = max(q.greatest, key)
}

func (q *queue) last() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.greatest
}

func (q *queue) check(kapi client.KeysAPI) {
	q.Helper()
	slices.Sort(q.created)
	if n := len(slices.Compact(q.created)); n != writers*jobsOfWriter/2 {
		q.Errorf("%d different names of %d jobs", n, writers*jobsOfWriter/2)
	}
	resp, err := kapi.Get(q.ctx, "/queue", &client.GetOptions{Quorum: true})
	if err != nil {
		q.Fatal(err)
	}
	for _, key := range q.created {
		if !slices.ContainsFunc(resp.Node.Nodes, func(n *client.Node) bool { return n.Key == key }) {
			q.Errorf("%s is not there", key)
		}
	}
}

// A client that knows a directory creates in one round trip, whether names are ahead
// or not.
func TestCreateInOrderIsOneTransaction(t *testing.T) {
	servers := harness.ServersV3(t)
	v3 := newClient(t, start(t, servers[len(servers)-1]))
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	t.Cleanup(cancel)
	counted := &countingKV{KV: v3.KV}
	v3.KV = counted
	kapi := keysapi.New(v3)
	set(ctx, t, kapi, "/ahead/"+nameOf(10_000_000), nil)
	create := func(dir string) *client.Response {
		resp, err := kapi.CreateInOrder(ctx, dir, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if got := create("/ahead").Node.Key; got != "/ahead/"+nameOf(10_000_001) {
		t.Errorf("got %s, want the name after the one that is there", got)
	}
	for i := range 3 {
		counted.n = 0
		if got, want := create("/ahead").Node.Key, "/ahead/"+nameOf(10_000_002+i); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		ordinary := create("/ordinary")
		if got, want := ordinary.Node.Key, "/ordinary/"+nameOf(int(ordinary.Node.CreatedIndex)); got != want {
			t.Errorf("got %s, want the name to be the index: %s", got, want)
		}
		if counted.n != 2 {
			t.Errorf("2 nodes took %d transactions", counted.n)
		}
	}
}

// countingKV counts transactions.
type countingKV struct {
	clientv3.KV
	n int
}

func (c *countingKV) Txn(ctx context.Context) clientv3.Txn {
	c.n++
	return c.KV.Txn(ctx)
}

// Whatever makes a node with a name in order counts: a file, a directory, and what is
// below it. The counter goes with its directory.
func TestInOrderNamesAfterThoseOfOtherCalls(t *testing.T) {
	servers := harness.ServersV3(t)
	v3 := newClient(t, start(t, servers[len(servers)-1]))
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	t.Cleanup(cancel)
	kapi := keysapi.New(v3)
	// wantNext asks a client that knows nothing of the directory.
	wantNext := func(name func(index uint64) string) {
		t.Helper()
		resp, err := keysapi.New(v3).CreateInOrder(ctx, "/q", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := "/q/" + name(resp.Node.CreatedIndex); resp.Node.Key != want {
			t.Errorf("got %s, want %s", resp.Node.Key, want)
		}
	}
	index := func(index uint64) string { return nameOf(int(index)) }
	number := func(n int) func(uint64) string { return func(uint64) string { return nameOf(n) } }
	wantNext(index)
	set(ctx, t, kapi, "/q/"+nameOf(5_000), nil)
	wantNext(number(5_001))
	set(ctx, t, kapi, "/q/"+nameOf(6_000)+"/x", nil)
	wantNext(number(6_001))
	if _, err := kapi.Set(ctx, "/q/"+nameOf(7_000), "", &client.SetOptions{Dir: true}); err != nil {
		t.Fatal(err)
	}
	wantNext(number(7_001))
	// A name that was given stays given when its node is gone.
	if _, err := kapi.Delete(ctx, "/q/"+nameOf(7_001), nil); err != nil {
		t.Fatal(err)
	}
	wantNext(number(7_002))
	if _, err := kapi.Delete(ctx, "/q", &client.DeleteOptions{Recursive: true}); err != nil {
		t.Fatal(err)
	}
	wantNext(index)
}
