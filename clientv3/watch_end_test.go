package clientv3_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/clientv3"
)

func TestWatchCanceledBeforeItIsTaken(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "other")
		server := c.acceptWatch(t)
		other := server.accept("other", 0, 5)
		chOther := <-started

		ctx, cancel := context.WithCancel(t.Context())
		started = startWatch(ctx, cli, "k")
		create := server.wantCreate("k", 0)
		cancel()
		wantClosed(t, <-started)
		server.take(create, 5)
		server.wantCancel(create.WatchId)
		server.sendEvents(create.WatchId, false, 6) // on its way already
		server.reply(&pb.WatchResponse{Header: at(6), WatchId: create.WatchId, Canceled: true})
		server.sendEvents(other, false, 7)
		wantEvents(t, chOther, 7)
	}, "m0:1")
}

func TestWatchEndsWithItsContext(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		ctx, cancel := context.WithCancel(t.Context())
		started := startWatch(ctx, cli, "k")
		server := c.acceptWatch(t)
		server.accept("k", 0, 5)
		ch := <-started
		startedOther := startWatch(t.Context(), cli, "other")
		server.accept("other", 0, 5)
		<-startedOther
		cancel()
		wantClosed(t, ch)
		server.wantCancel(1)

		// The last watch takes the stream along.
		ctx, cancel = context.WithCancel(clientv3.WithRequireLeader(t.Context()))
		started = startWatch(ctx, cli, "k")
		server = c.acceptWatch(t)
		server.accept("k", 0, 5)
		<-started
		cancel()
		<-server.Context().Done()
	}, "m0:1")
}

func TestWatchOfAnEndedContextIsClosed(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantClosed(t, cli.Watch(ctx, "k"))
	}, "m0:1")
}

func TestWatchCompacted(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k", clientv3.WithRev(2))
		server := c.acceptWatch(t)
		id := server.accept("k", 2, 90)
		server.reply(&pb.WatchResponse{
			Header: at(90), WatchId: id, Canceled: true, CompactRevision: 50,
			CancelReason: "etcdserver: mvcc: required revision has been compacted",
		})
		if last := wantLast(t, <-started, rpctypes.ErrCompacted); last.CompactRevision != 50 {
			t.Errorf("CompactRevision = %d, want 50", last.CompactRevision)
		}
	}, "m0:1")
}

func TestWatchToldWhyTheServerEndsIt(t *testing.T) {
	for _, tc := range []struct {
		reason string
		want   error
		words  string
	}{
		{reason: rpctypes.ErrGRPCPermissionDenied.Error(), want: rpctypes.ErrPermissionDenied},
		{reason: "etcdserver: permission denied", want: rpctypes.ErrPermissionDenied},
		{reason: rpctypes.ErrGRPCFutureRev.Error(), want: rpctypes.ErrFutureRev},
		{reason: "mvcc: watcher duplicate ID", words: "mvcc: watcher duplicate ID"},
		{words: "gave no reason"},
	} {
		for _, created := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, refused: %v", tc.reason, created), func(t *testing.T) {
				withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
					t := c.t
					started := startWatch(t.Context(), cli, "k")
					server := c.acceptWatch(t)
					id := int64(-1) // A refusal has no ID.
					if created {
						server.wantCreate("k", 0)
					} else {
						id = server.accept("k", 0, 5)
					}
					server.reply(&pb.WatchResponse{
						Header: at(5), WatchId: id, Created: created, Canceled: true, CancelReason: tc.reason,
					})
					last := wantLast(t, <-started, tc.want)
					if last.CancelReason != tc.reason || !strings.Contains(last.Err().Error(), tc.words) {
						t.Errorf("got the reason %q and error %v, want the words %q", last.CancelReason, last.Err(), tc.words)
					}
				}, "m0:1")
			})
		}
	}
}

func TestWatchWithWrongOptions(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		ch := cli.Watch(t.Context(), "k", clientv3.WithLease(1))
		resp := <-ch
		if resp.Err() == nil || !strings.Contains(resp.Err().Error(), "WithLease") || !resp.Canceled {
			t.Errorf("got %v with %v", resp, resp.Err())
		}
		wantClosed(t, ch)
	}, "m0:1")
}

func TestWatchErrorThatNoOtherStreamMends(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k")
		server := c.acceptWatch(t)
		server.accept("k", 0, 5)
		ch := <-started
		server.fail(rpctypes.ErrGRPCPermissionDenied)
		wantLast(t, ch, rpctypes.ErrPermissionDenied)
	}, "m0:1")
}

func TestWatchClose(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		w := clientv3.NewWatcher(cli)
		started := startWatch(t.Context(), w, "k")
		server := c.acceptWatch(t)
		server.accept("k", 0, 5)
		pending := startWatch(t.Context(), w, "pending")
		server.wantCreate("pending", 0)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, <-started)
		wantClosed(t, <-pending)
		wantClosed(t, w.Watch(t.Context(), "late"))
		if err := w.RequestProgress(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("RequestProgress after Close: %v", err)
		}
		<-server.Context().Done()
	}, "m0:1")
}

func TestWatchResponseErr(t *testing.T) {
	var none clientv3.WatchResponse
	if none.Err() != nil || none.IsProgressNotify() {
		t.Errorf("the zero response: %v, %v", none.Err(), none.IsProgressNotify())
	}
	compacted := clientv3.WatchResponse{CompactRevision: 3}
	if !errors.Is(compacted.Err(), rpctypes.ErrCompacted) {
		t.Errorf("compacted: %v", compacted.Err())
	}
}

func TestManyWatches(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		const watches = 2_000
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		first := startWatch(ctx, cli, "k")
		server := c.acceptWatch(t)
		server.accept("k", 0, 5)
		channels := []clientv3.WatchChan{<-first}

		var live, peak int // on the server
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				request, err := server.Recv()
				if err != nil {
					return
				}
				create := request.GetCreateRequest()
				if create == nil {
					live--
					continue
				}
				live++
				peak = max(peak, live)
				if server.Send(&pb.WatchResponse{Header: at(5), WatchId: create.WatchId, Created: true}) != nil {
					return
				}
			}
		})
		before := runtime.NumGoroutine()
		many, cancelMany := context.WithCancel(ctx)
		for range watches {
			channels = append(channels, cli.Watch(many, "k"))
		}
		if more := runtime.NumGoroutine() - before; more > 20 {
			t.Errorf("%d watches take %d goroutines", watches, more)
		}
		cancelMany()
		for _, ch := range channels[1:] {
			wantClosed(t, ch)
		}
		wantNothing(t, channels[0])
		if peak != watches || live != 0 {
			t.Errorf("the server had %d watches, and has %d", peak, live)
		}
		cancel()
		wantClosed(t, channels[0])
		serving.Wait()
	}, "m0:1")
}
