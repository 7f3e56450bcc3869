package clientv3_test

import (
	"context"
	"testing"
	"testing/synctest"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/clientv3"
)

// sendLarge sends events of a megabyte each until the client has had enough of them,
// and gives the revision of the first that it has not taken.
func (s watchServer) sendLarge(id, first int64) int64 {
	s.t.Helper()
	canceled := make(chan struct{})
	go func() {
		defer close(canceled)
		s.wantCancel(id)
	}()
	for revision := first; ; revision++ {
		select {
		case <-canceled:
			return revision
		default:
		}
		if revision > first+100 {
			s.t.Fatal("100 MB wait for the reader")
		}
		event := put("k", revision)
		event.Kv.Value = make([]byte, 1<<20)
		s.reply(&pb.WatchResponse{Header: at(revision), WatchId: id, Events: []*mvccpb.Event{event}})
		synctest.Wait()
	}
}

func TestWatchWithASlowReader(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		startedOther := startWatch(t.Context(), cli, "other")
		server := c.acceptWatch(t)
		other := server.accept("other", 0, 5)
		chOther := <-startedOther
		started := startWatch(t.Context(), cli, "k")
		id := server.accept("k", 0, 5)
		ch := <-started

		// Some megabytes wait for the reader, then the server is told to stop. What was
		// on its way is thrown away.
		late := server.sendLarge(id, 6)
		server.sendEvents(id, false, late)
		server.sendEvents(other, false, 40)
		wantEvents(t, chOther, 40) // which is held up by nothing
		if late > 20 {
			t.Errorf("%d MB wait for the reader, want at most 4 and what is in the channel", late-6)
		}

		// When the reader has caught up, the server is to go on where it was.
		next := int64(6)
		asked := make(chan *pb.WatchCreateRequest, 1)
		go func() { asked <- server.receive().GetCreateRequest() }()
		var create *pb.WatchCreateRequest
		for create == nil {
			select {
			case create = <-asked:
			case resp := <-ch:
				if got := resp.Events[0].Kv.ModRevision; got != next {
					t.Fatalf("got revision %d, want %d", got, next)
				}
				next++
			}
		}
		server.take(create, late)
		server.sendEvents(create.WatchId, false, create.StartRevision, create.StartRevision+1)
		for ; next < create.StartRevision; next++ {
			wantEvents(t, ch, next)
		}
		wantEvents(t, ch, next, next+1)
	}, "m0:1")
}

func TestWatchSuspendedWhenTheStreamIsLost(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k", clientv3.WithRev(1))
		server := c.acceptWatch(t)
		id := server.accept("k", 1, 5)
		ch := <-started
		server.sendLarge(id, 1)
		server.fail(unavailable("gone"))

		// The next server is asked only when the reader has caught up.
		server = c.acceptWatch(t)
		next := int64(1)
		for range 10 {
			wantEvents(t, ch, next)
			next++
		}
		create := server.receive().GetCreateRequest()
		server.take(create, 90)
		server.sendEvents(create.WatchId, false, create.StartRevision)
		for ; next <= create.StartRevision; next++ {
			wantEvents(t, ch, next)
		}
		wantNothing(t, ch)
	}, "m0:1")
}

func TestWatchWithAReaderThatIsGone(t *testing.T) {
	for name, leave := range map[string]func(cancel context.CancelFunc, w clientv3.Watcher) error{
		"its context ends":      func(cancel context.CancelFunc, _ clientv3.Watcher) error { cancel(); return nil },
		"the watcher is closed": func(_ context.CancelFunc, w clientv3.Watcher) error { return w.Close() },
	} {
		for _, compacted := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
					t := c.t
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					started := startWatch(ctx, cli, "k")
					server := c.acceptWatch(t)
					id := server.accept("k", 0, 5)
					ch := <-started
					for revision := range int64(40) {
						server.sendEvents(id, false, 6+revision)
					}
					if compacted {
						server.reply(&pb.WatchResponse{Header: at(90), WatchId: id, Canceled: true, CompactRevision: 60})
					}
					wantNothing(t, nil) // all has arrived
					if err := leave(cancel, cli.Watcher); err != nil {
						t.Fatal(err)
					}
					last := 0
					for range ch {
						last++
					}
					if last >= 40 {
						t.Errorf("%d responses were kept for a reader that has gone", last)
					}
				}, "m0:1")
			})
		}
	}
}

func TestWatchLastResponseWaitsForASlowReader(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k")
		server := c.acceptWatch(t)
		id := server.accept("k", 0, 5)
		ch := <-started
		for revision := range int64(40) {
			server.sendEvents(id, false, 6+revision)
		}
		server.reply(&pb.WatchResponse{Header: at(90), WatchId: id, Canceled: true, CompactRevision: 60})
		wantNothing(t, nil)
		for revision := range int64(40) {
			wantEvents(t, ch, 6+revision)
		}
		wantLast(t, ch, rpctypes.ErrCompacted)
	}, "m0:1")
}

func wantProgress(t *testing.T, ch clientv3.WatchChan, revision int64) {
	t.Helper()
	resp, open := <-ch
	if !open || !resp.IsProgressNotify() || resp.Header.Revision != revision {
		t.Fatalf("got %v (open: %v), want the progress to %d", resp, open, revision)
	}
}

func TestWatchProgressMovesWhereItGoesOn(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		startedQuiet := startWatch(t.Context(), cli, "quiet")
		server := c.acceptWatch(t)
		quiet := server.accept("quiet", 0, 5)
		chQuiet := <-startedQuiet
		started := startWatch(t.Context(), cli, "k", clientv3.WithProgressNotify())
		id := server.accept("k", 0, 5)
		ch := <-started

		server.reply(&pb.WatchResponse{Header: at(30), WatchId: id})
		server.reply(&pb.WatchResponse{Header: at(40), WatchId: quiet})
		wantProgress(t, ch, 30)
		wantNothing(t, chQuiet) // which did not ask to be told
		server.fail(unavailable("gone"))
		server = c.acceptWatch(t)
		server.accept("quiet", 41, 50)
		server.accept("k", 31, 50)
	}, "m0:1")
}

func TestWatchRequestProgress(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		if err := cli.RequestProgress(t.Context()); err != nil {
			t.Fatalf("RequestProgress without a watch: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := cli.RequestProgress(ctx); err == nil {
			t.Error("RequestProgress with an ended context has no error")
		}
		started := startWatch(t.Context(), cli, "k", clientv3.WithRev(3))
		server := c.acceptWatch(t)
		id := server.accept("k", 3, 5)
		ch := <-started
		wantProgressRequest := func() {
			t.Helper()
			if err := cli.RequestProgress(t.Context()); err != nil {
				t.Fatal(err)
			}
			if request := server.receive(); request.GetProgressRequest() == nil {
				t.Fatalf("the server was asked for %v", request)
			}
			server.reply(&pb.WatchResponse{Header: at(30), WatchId: -1})
		}
		wantProgressRequest()
		wantProgress(t, ch, 30)

		// Some servers answer ahead of events, which come all the same.
		server.sendEvents(id, false, 20)
		wantEvents(t, ch, 20)
		server.fail(unavailable("gone"))
		server = c.acceptWatch(t)
		server.accept("k", 21, 50)

		// With the events compacted, it is the progress that counts.
		wantProgressRequest()
		wantProgress(t, ch, 30)
		server.fail(unavailable("gone"))
		server = c.acceptWatch(t)
		id = server.accept("k", 21, 50)
		server.reply(&pb.WatchResponse{Header: at(50), WatchId: id, Canceled: true, CompactRevision: 31})
		id = server.accept("k", 31, 50)
		server.reply(&pb.WatchResponse{Header: at(50), WatchId: id, Canceled: true, CompactRevision: 40})
		wantLast(t, ch, rpctypes.ErrCompacted)
	}, "m0:1")
}

func TestWatchProgressIsRequestedFromTheNextStream(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		startWatch(t.Context(), cli, "k")
		wantNothing(t, nil) // The stream is open, and waits for the server below.
		if err := cli.RequestProgress(t.Context()); err != nil {
			t.Fatal(err)
		}
		server := c.acceptWatch(t)
		server.accept("k", 0, 5)
		server.fail(unavailable("gone"))
		wantNothing(t, nil) // The client pauses.
		if err := cli.RequestProgress(t.Context()); err != nil {
			t.Fatal(err)
		}
		server = c.acceptWatch(t)
		server.accept("k", 6, 5)
		if request := server.receive(); request.GetProgressRequest() == nil {
			t.Fatalf("the server was asked for %v", request)
		}
	}, "m0:1")
}
