package bridge

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// expireDirectory creates /d/full/k, lets the TTL of /d/full end, which leaves the
// node in it, and returns the revision at which it ended.
func (st site) expireDirectory(kapi client.KeysAPI, v3 *clientv3.Client) uint64 {
	st.Helper()
	set(st.ctx, st, kapi, "/d/full/k", nil)
	if _, err := kapi.Set(st.ctx, "/d/full", "", &client.SetOptions{Dir: true, TTL: time.Second, PrevExist: client.PrevExist}); err != nil {
		st.Fatal(err)
	}
	var ended int64
	st.eventually(func(ctx context.Context) error {
		marker, err := v3.Get(ctx, prefix+"/d/full/")
		if err != nil {
			return err
		}
		if marker.Count > 0 {
			return fmt.Errorf("the directory has a marker: %v", marker.Kvs)
		}
		ended = marker.Header.Revision
		return nil
	})
	return uint64(ended)
}

// The server does not send what a directory's marker was if that was compacted
// before the event is sent. The directory stays all the same, for what is in it.
func TestWatcher_ExpiredDirectoryWithoutPrevious(t *testing.T) {
	onSites(t, 1, func(st site) {
		kapi, v3 := st.keys(), st.client()
		ended := st.expireDirectory(kapi, v3)
		if _, err := v3.Compact(st.ctx, int64(ended)); err != nil {
			st.Fatal(err)
		}
		last := set(st.ctx, st, kapi, "/d/end", nil)
		ev, err := kapi.Watcher("/d", &client.WatcherOptions{Recursive: true, AfterIndex: ended - 1}).Next(st.ctx)
		if err != nil || ev.Node.Key != "/d/end" || ev.Node.ModifiedIndex != last {
			st.Errorf("got %v, %v; want the write of /d/end alone", ev, err)
		}
	})
}

// Where not even the revision of the event can be read any more, whether the directory
// is gone is not known: the watch reports lost history, not a removal.
func TestWatcher_ExpiredDirectoryCompacted(t *testing.T) {
	onSites(t, 1, func(st site) {
		v3 := st.client()
		compacting := func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if strings.Contains(fmt.Sprint(req), "count_only:true") { // what is left in the directory
				now, err := v3.Get(ctx, "now")
				if err != nil {
					return err
				}
				if _, err := v3.Compact(ctx, now.Header.Revision); err != nil {
					return err
				}
			}
			return invoke(ctx, method, req, reply, conn, opts...)
		}
		watching, err := clientv3.New(clientv3.Config{
			Endpoints: st.c.Endpoints(), DialTimeout: 20 * time.Second,
			DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(compacting)},
		})
		if err != nil {
			st.Fatal(err)
		}
		defer watching.Close()
		kapi := st.keys()
		ended := st.expireDirectory(kapi, v3)
		set(st.ctx, st, kapi, "/d/later", nil)
		w := keysapi.New(watching, keysapi.WithPrefix(prefix)).Watcher("/d", &client.WatcherOptions{Recursive: true, AfterIndex: ended - 1})
		if ev, err := w.Next(st.ctx); !client.IsEventIndexCleared(err) {
			st.Fatalf("got %v, %v; want that history is lost", ev, err)
		}
		last := set(st.ctx, st, kapi, "/d/end", nil)
		if ev, err := w.Next(st.ctx); err != nil || ev.Node.Key != "/d/end" || ev.Node.ModifiedIndex != last {
			st.Errorf("got %v, %v; want the write after the loss", ev, err)
		}
	})
}
