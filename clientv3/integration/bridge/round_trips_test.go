package bridge

import (
	"context"
	"errors"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// requests are calls, or streams, by the method of the v3 API.
type requests map[string]int

const (
	txn       = "Txn"
	grant     = "LeaseGrant"
	revoke    = "LeaseRevoke"
	timeLeft  = "LeaseTimeToLive"
	keepAlive = "LeaseKeepAlive"
)

// A requestCounter counts the requests of a client, those that grpc-go sends again too.
type requestCounter struct {
	mu   sync.Mutex // guards the fields below
	sent requests
	open int // how many have not ended
}

type methodKey struct{}

func (c *requestCounter) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, methodKey{}, path.Base(info.FullMethodName))
}

func (c *requestCounter) HandleRPC(ctx context.Context, s stats.RPCStats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s.(type) {
	case *stats.Begin:
		if method, known := ctx.Value(methodKey{}).(string); known {
			c.sent[method]++
		}
		c.open++
	case *stats.End:
		c.open--
	}
}

func (c *requestCounter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return ctx
}

func (c *requestCounter) HandleConn(context.Context, stats.ConnStats) {}

// take gives what was sent since the last time.
func (c *requestCounter) take() requests {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent
	c.sent = requests{}
	return sent
}

// counted gives a KeysAPI that has made no call, and what counts its requests.
func counted(t *testing.T, c *harness.Cluster) (client.KeysAPI, *requestCounter) {
	t.Helper()
	counter := &requestCounter{sent: requests{}}
	v3, err := clientv3.New(clientv3.Config{
		Endpoints: c.Endpoints(), DialTimeout: 20 * time.Second, DialOptions: []grpc.DialOption{grpc.WithStatsHandler(counter)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v3.Close(); err != nil {
			t.Error(err)
		}
	})
	return keysapi.New(v3), counter
}

// An expense is what a call may cost.
type expense struct {
	name string
	want requests
	code int // of the refusal; zero: it succeeds
	do   func(ctx context.Context, k client.KeysAPI) (*client.Response, error)
}

func doGet(key string, opts *client.GetOptions) func(context.Context, client.KeysAPI) (*client.Response, error) {
	return func(ctx context.Context, k client.KeysAPI) (*client.Response, error) { return k.Get(ctx, key, opts) }
}

func doSet(key, value string, o client.SetOptions) func(context.Context, client.KeysAPI) (*client.Response, error) {
	return func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
		return k.Set(ctx, key, value, &o)
	}
}

func doDelete(key string, o client.DeleteOptions) func(context.Context, client.KeysAPI) (*client.Response, error) {
	return func(ctx context.Context, k client.KeysAPI) (*client.Response, error) { return k.Delete(ctx, key, &o) }
}

func doCreateInOrder(ttl time.Duration) func(context.Context, client.KeysAPI) (*client.Response, error) {
	return func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
		return k.CreateInOrder(ctx, "/cost/queue", "job", &client.CreateInOrderOptions{TTL: ttl})
	}
}

// expenses are done in this order, on one store.
func expenses() []expense {
	const ttl = time.Hour
	one := requests{txn: 1}
	return []expense{
		// The name of the first is that of a revision, which has to be known.
		{name: "first CreateInOrder of a client", want: requests{txn: 2}, do: doCreateInOrder(0)},
		{name: "CreateInOrder", want: one, do: doCreateInOrder(0)},
		{name: "CreateInOrder with a TTL", want: requests{txn: 1, grant: 1}, do: doCreateInOrder(ttl)},

		{name: "Set that makes directories", want: one, do: doSet("/cost/a/b/c/file", "v", client.SetOptions{})},
		{name: "Set", want: one, do: doSet("/cost/a/b/c/file", "v", client.SetOptions{})},
		{name: "Set of a directory", want: one, do: doSet("/cost/dir", "", client.SetOptions{Dir: true})},
		{name: "Set of a directory over a file", want: one, do: doSet("/cost/a/b/c/file", "", client.SetOptions{Dir: true})},
		{name: "Create", want: one, do: doSet("/cost/created", "v", client.SetOptions{PrevExist: client.PrevNoExist})},
		{name: "Create of a directory", want: one, do: doSet("/cost/made", "", client.SetOptions{PrevExist: client.PrevNoExist, Dir: true})},
		{name: "Update", want: one, do: doSet("/cost/created", "w", client.SetOptions{PrevExist: client.PrevExist})},
		{name: "compare and swap", want: one, do: doSet("/cost/created", "x", client.SetOptions{PrevValue: "w"})},
		{name: "Set with a TTL", want: requests{txn: 1, grant: 1}, do: doSet("/cost/short", "v", client.SetOptions{TTL: ttl})},
		{name: "Set over a node with a TTL", want: requests{txn: 1, timeLeft: 1}, do: doSet("/cost/short", "v", client.SetOptions{})},
		{name: "Set without an answer over a node with a TTL", want: requests{txn: 1, grant: 1}, do: doSet("/cost/short", "v", client.SetOptions{TTL: ttl, NoValueOnSuccess: true})},

		{name: "Get", want: one, do: doGet("/cost/created", nil)},
		{name: "Get by quorum", want: one, do: doGet("/cost/created", &client.GetOptions{Quorum: true})},
		{name: "Get of a directory", want: one, do: doGet("/cost/a", nil)},
		{name: "recursive Get", want: one, do: doGet("/cost/a", &client.GetOptions{Recursive: true})},
		{name: "Get of a node with a TTL", want: requests{txn: 1, timeLeft: 1}, do: doGet("/cost/short", nil)},
		{name: "recursive Get of two nodes with a TTL", want: requests{txn: 1, timeLeft: 2}, do: doGet("/cost", &client.GetOptions{Recursive: true})},

		{name: "refresh with the TTL of the node", want: requests{txn: 1, timeLeft: 1, keepAlive: 1}, do: doSet("/cost/short", "", client.SetOptions{Refresh: true, TTL: ttl})},
		{name: "refresh with another TTL", want: requests{txn: 2, timeLeft: 1, grant: 1}, do: doSet("/cost/short", "", client.SetOptions{Refresh: true, TTL: 2 * ttl})},

		{name: "Get of nothing", want: requests{txn: 2}, code: client.ErrorCodeKeyNotFound, do: doGet("/cost/none", nil)},
		{name: "Create of what is there", want: one, code: client.ErrorCodeNodeExist, do: doSet("/cost/created", "v", client.SetOptions{PrevExist: client.PrevNoExist})},
		{
			name: "Create with a TTL of what is there", want: requests{txn: 1, grant: 1, revoke: 1}, code: client.ErrorCodeNodeExist,
			do: doSet("/cost/created", "v", client.SetOptions{PrevExist: client.PrevNoExist, TTL: ttl}),
		},
		{name: "Update of nothing", want: one, code: client.ErrorCodeKeyNotFound, do: doSet("/cost/none", "v", client.SetOptions{PrevExist: client.PrevExist})},
		{name: "Set over a directory", want: one, code: client.ErrorCodeNotFile, do: doSet("/cost/dir", "v", client.SetOptions{})},
		{name: "Set below a file", want: one, code: client.ErrorCodeNotDir, do: doSet("/cost/created/below", "v", client.SetOptions{})},
		{name: "Set of the root", want: one, code: client.ErrorCodeRootROnly, do: doSet("/", "v", client.SetOptions{})},
		{name: "compare and swap of another value", want: one, code: client.ErrorCodeTestFailed, do: doSet("/cost/created", "v", client.SetOptions{PrevValue: "w"})},
		{name: "compare and delete of another value", want: one, code: client.ErrorCodeTestFailed, do: doDelete("/cost/created", client.DeleteOptions{PrevValue: "w"})},
		{name: "Delete of nothing", want: one, code: client.ErrorCodeKeyNotFound, do: doDelete("/cost/none", client.DeleteOptions{})},
		{name: "Delete of a directory that is not empty", want: one, code: client.ErrorCodeDirNotEmpty, do: doDelete("/cost/a", client.DeleteOptions{Dir: true})},

		{name: "compare and delete", want: one, do: doDelete("/cost/created", client.DeleteOptions{PrevValue: "x"})},
		{name: "Delete of a node with a TTL", want: requests{txn: 1, timeLeft: 1}, do: doDelete("/cost/short", client.DeleteOptions{})},
		{name: "Delete of an empty directory", want: one, do: doDelete("/cost/dir", client.DeleteOptions{Dir: true})},
		{name: "recursive Delete", want: one, do: doDelete("/cost", client.DeleteOptions{Recursive: true})},
	}
}

// What succeeds takes one round trip, and one more for each lease that is made or asked
// for. Of what is refused, only a Get has to look again.
func TestRoundTripsOfACall(t *testing.T) {
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
			t.Cleanup(cancel)
			kapi, counter := counted(t, start(t, server))
			for _, e := range expenses() {
				_, err := e.do(ctx, kapi)
				var refusal client.Error
				if errors.As(err, &refusal); refusal.Code != e.code || err != nil && refusal.Code == 0 {
					t.Fatalf("%s: %v, want the code %d", e.name, err, e.code)
				}
				sent := counter.take()
				if diff := cmp.Diff(e.want, sent); diff != "" {
					t.Errorf("requests of %s (-want +got):\n%s", e.name, diff)
				}
			}
		})
	}
}
