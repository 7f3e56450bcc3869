// Package integration shows what the v3 client does against real etcd servers.
//
// Every test is a story told on each server of [harness.ServersV3], from outside
// of the client.
package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/integration/rawfaults"
)

// storyTimeout bounds one story's calls, so that a hang is a failure.
const storyTimeout = 2 * time.Minute

// sideBySide is how many stories run at a time, unless -parallel says.
const sideBySide = 6

func TestMain(m *testing.M) { harness.Main(m, sideBySide) }

// A story is what is told on one cluster.
type story struct {
	*testing.T
	server harness.Server
	c      *harness.Cluster
	ctx    context.Context // bounds the story's calls
}

// onEach tells a story on a cluster of each server, side by side.
func onEach(t *testing.T, o harness.Options, tell func(s story)) {
	t.Helper()
	onServers(t, harness.ServersV3(t), o, tell)
}

// onServers tells a story on a cluster of each of servers, side by side.
func onServers(t *testing.T, servers []harness.Server, o harness.Options, tell func(s story)) {
	t.Helper()
	t.Parallel()
	for _, server := range servers {
		t.Run(server.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout+rawfaults.Time())
			t.Cleanup(cancel)
			tell(story{T: t, server: server, c: harness.Start(t, server, o), ctx: ctx})
		})
	}
}

// client returns a client of all members, which changes may alter the
// configuration of. It is closed at the end of the story.
func (s story) client(changes ...func(*clientv3.Config)) *clientv3.Client {
	s.Helper()
	cfg := clientv3.Config{Endpoints: s.c.Endpoints(), DialTimeout: 20 * time.Second}
	for _, change := range changes {
		change(&cfg)
	}
	cli, err := clientv3.New(cfg)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := cli.Close(); err != nil {
			s.Error(err)
		}
	})
	return cli
}

// since reports whether the server is of this minor version or a later one.
func (s story) since(minor string) bool { return s.server.Minor() >= minor }

// check fails the test for an error.
func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// must fails the test for an error, and returns the value else.
func must[T any](tb testing.TB) func(v T, err error) T {
	tb.Helper()
	return func(v T, err error) T {
		tb.Helper()
		check(tb, err)
		return v
	}
}

// want compares.
func want[T any](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// told writes down what came of an operation.
func told(r clientv3.OpResponse) string {
	switch {
	case r.Put() != nil && r.Put().PrevKv != nil:
		return "put, was " + pairs(r.Put().PrevKv)
	case r.Put() != nil:
		return "put"
	case r.Get() != nil:
		return toldGet(r.Get())
	case r.Del() != nil && len(r.Del().PrevKvs) > 0:
		return fmt.Sprintf("deleted %d: %s", r.Del().Deleted, pairs(r.Del().PrevKvs...))
	case r.Del() != nil:
		return fmt.Sprintf("deleted %d", r.Del().Deleted)
	default:
		return toldTxn(r.Txn())
	}
}

func toldGet(r *clientv3.GetResponse) string {
	text := pairs(r.Kvs...)
	if r.More {
		text += ", more"
	}
	if r.Count != int64(len(r.Kvs)) {
		text += fmt.Sprintf(", %d in all", r.Count)
	}
	return text
}

func toldTxn(r *clientv3.TxnResponse) string {
	var parts []string
	for _, op := range r.Responses {
		switch {
		case op.GetResponsePut() != nil:
			parts = append(parts, told((*clientv3.PutResponse)(op.GetResponsePut()).OpResponse()))
		case op.GetResponseRange() != nil:
			parts = append(parts, told((*clientv3.GetResponse)(op.GetResponseRange()).OpResponse()))
		case op.GetResponseDeleteRange() != nil:
			parts = append(parts, told((*clientv3.DeleteResponse)(op.GetResponseDeleteRange()).OpResponse()))
		default:
			parts = append(parts, told((*clientv3.TxnResponse)(op.GetResponseTxn()).OpResponse()))
		}
	}
	branch := "else"
	if r.Succeeded {
		branch = "then"
	}
	return branch + "(" + strings.Join(parts, "; ") + ")"
}

// pairs writes keys and values as a=1 b=2, and keys without a value as a.
func pairs(kvs ...*mvccpb.KeyValue) string {
	texts := make([]string, 0, len(kvs))
	for _, kv := range kvs {
		text := string(kv.Key)
		if len(kv.Value) > 0 {
			text += "=" + string(kv.Value)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}
