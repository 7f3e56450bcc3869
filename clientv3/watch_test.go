package clientv3_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/clientv3"
)

// watchServer is the server's side of a watch stream, as a story tells it.
type watchServer struct {
	t *testing.T
	*serverStream[pb.WatchRequest, pb.WatchResponse]
}

func (c *streamMembers) acceptWatch(t *testing.T) watchServer {
	t.Helper()
	return watchServer{t, accept(c.watches)}
}

func (s watchServer) receive() *pb.WatchRequest {
	s.t.Helper()
	request, err := s.Recv()
	if err != nil {
		s.t.Fatalf("the server received %v", err)
	}
	return request
}

func (s watchServer) wantCreate(key string, revision int64) *pb.WatchCreateRequest {
	s.t.Helper()
	request := s.receive()
	create := request.GetCreateRequest()
	if create == nil || string(create.Key) != key || create.StartRevision != revision {
		s.t.Fatalf("the server was asked for %v, want a watch of %q from %d", request, key, revision)
	}
	return create
}

func (s watchServer) wantCancel(id int64) {
	s.t.Helper()
	request := s.receive()
	if request.GetCancelRequest() == nil || request.GetCancelRequest().WatchId != id {
		s.t.Fatalf("the server was asked for %v, want the end of watch %d", request, id)
	}
}

func (s watchServer) reply(reply *pb.WatchResponse) {
	s.t.Helper()
	if err := s.Send(reply); err != nil {
		s.t.Fatalf("the server sent: %v", err)
	}
}

// take answers a create request as a server whose store is at revision.
func (s watchServer) take(create *pb.WatchCreateRequest, revision int64) {
	s.t.Helper()
	s.reply(&pb.WatchResponse{Header: at(revision), WatchId: create.WatchId, Created: true})
}

// accept takes the next watch, which must be of key from revision.
func (s watchServer) accept(key string, revision, store int64) int64 {
	s.t.Helper()
	create := s.wantCreate(key, revision)
	s.take(create, store)
	return create.WatchId
}

func (s watchServer) sendEvents(id int64, fragment bool, revisions ...int64) {
	s.t.Helper()
	reply := &pb.WatchResponse{Header: at(revisions[len(revisions)-1]), WatchId: id, Fragment: fragment}
	for _, revision := range revisions {
		reply.Events = append(reply.Events, put("k", revision))
	}
	s.reply(reply)
}

func at(revision int64) *pb.ResponseHeader { return &pb.ResponseHeader{Revision: revision} }

func put(key string, revision int64) *mvccpb.Event {
	return &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: revision}}
}

// startWatch calls Watch, which returns only when the server has answered.
func startWatch(ctx context.Context, w clientv3.Watcher, key string, opts ...clientv3.OpOption) <-chan clientv3.WatchChan {
	started := make(chan clientv3.WatchChan, 1)
	go func() { started <- w.Watch(ctx, key, opts...) }()
	return started
}

func wantEvents(t *testing.T, ch clientv3.WatchChan, revisions ...int64) {
	t.Helper()
	resp, open := <-ch
	if !open || resp.Err() != nil {
		t.Fatalf("got %v (%v), want revisions %v", resp, resp.Err(), revisions)
	}
	var got []int64
	for _, event := range resp.Events {
		got = append(got, event.Kv.ModRevision)
	}
	if !slices.Equal(got, revisions) {
		t.Fatalf("got revisions %v, want %v", got, revisions)
	}
}

func wantNothing(t *testing.T, ch clientv3.WatchChan) {
	t.Helper()
	synctest.Wait()
	select {
	case resp, open := <-ch:
		t.Fatalf("got %v (open: %v), want nothing yet", resp, open)
	default:
	}
}

func wantClosed(t *testing.T, ch clientv3.WatchChan) {
	t.Helper()
	if resp, open := <-ch; open {
		t.Fatalf("got %v, want the end", resp)
	}
}

// wantLast is of any error if want is nil.
func wantLast(t *testing.T, ch clientv3.WatchChan, want error) clientv3.WatchResponse {
	t.Helper()
	resp := <-ch
	if !resp.Canceled || resp.Err() == nil || (want != nil && !errors.Is(resp.Err(), want)) {
		t.Fatalf("got %v with %v, want the end with %v", resp, resp.Err(), want)
	}
	wantClosed(t, ch)
	return resp
}

func TestWatchReturnsWhenTheServerHasTakenIt(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k")
		server := c.acceptWatch(t)
		create := server.wantCreate("k", 0)
		synctest.Wait()
		select {
		case <-started:
			t.Fatal("Watch returned before the server had answered")
		default:
		}
		server.take(create, 7)
		ch := <-started
		server.sendEvents(create.WatchId, false, 8, 9)
		wantEvents(t, ch, 8, 9)
	}, "m0:1")
}

func TestWatchGoesOnAtTheNextRevision(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k")
		server := c.acceptWatch(t)
		server.accept("k", 0, 7)
		ch := <-started

		// The first is lost before any event.
		server.fail(unavailable("gone"))
		server = c.acceptWatch(t)
		id := server.accept("k", 8, 12)
		server.sendEvents(id, false, 8, 9, 9)
		wantEvents(t, ch, 8, 9, 9)

		// The second ends in order, the third fails before it has answered.
		server.fail(nil)
		server = c.acceptWatch(t)
		server.wantCreate("k", 10)
		server.fail(unavailable("gone"))

		// What the last one sends again is dropped.
		server = c.acceptWatch(t)
		id = server.accept("k", 10, 12)
		server.sendEvents(id, false, 9, 10, 11)
		wantEvents(t, ch, 10, 11)
	}, "m0:1", "m1:1")
}

func TestWatchFromARevision(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k", clientv3.WithRev(100))
		server := c.acceptWatch(t)
		server.accept("k", 100, 7) // The store is yet to come there.
		ch := <-started
		server.fail(unavailable("gone"))
		server = c.acceptWatch(t)
		id := server.accept("k", 100, 7)
		server.sendEvents(id, false, 100)
		wantEvents(t, ch, 100)
	}, "m0:1")
}

func TestWatchDeliversARevisionWhole(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k", clientv3.WithRev(3))
		server := c.acceptWatch(t)
		id := server.accept("k", 3, 9)
		ch := <-started

		// A fragment may cut a revision in two: its first part waits.
		server.sendEvents(id, true, 3, 3, 4, 5, 5)
		wantEvents(t, ch, 3, 3, 4)
		server.sendEvents(id, true, 5)
		wantNothing(t, ch)
		server.sendEvents(id, false, 5, 6)
		wantEvents(t, ch, 5, 5, 5, 5, 6)

		// A stream that ends between two fragments is no reason for doubles.
		server.sendEvents(id, true, 7, 7, 8)
		wantEvents(t, ch, 7, 7)
		server.fail(unavailable("gone"))
		server = c.acceptWatch(t)
		id = server.accept("k", 8, 9)
		server.sendEvents(id, false, 8, 8)
		wantEvents(t, ch, 8, 8)
	}, "m0:1")
}

func TestWatchesShareAStream(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		startedA := startWatch(t.Context(), cli, "a")
		server := c.acceptWatch(t)
		a := server.wantCreate("a", 0)
		startedB := startWatch(t.Context(), cli, "b")
		b := server.wantCreate("b", 0)

		// Answered in another order than asked.
		server.take(b, 5)
		server.take(a, 6)
		chA, chB := <-startedA, <-startedB
		server.sendEvents(a.WatchId, false, 7)
		server.sendEvents(b.WatchId, false, 6)
		wantEvents(t, chA, 7)
		wantEvents(t, chB, 6)

		// Both are taken along to the next stream.
		server.fail(unavailable("gone"))
		server = c.acceptWatch(t)
		server.accept("a", 8, 9)
		server.accept("b", 7, 9)
	}, "m0:1")
}

func TestWatchesOfOtherMetadataHaveAStreamOfTheirOwn(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		startWatch(t.Context(), cli, "k")
		plain := c.acceptWatch(t)
		plain.wantCreate("k", 0)
		startWatch(clientv3.WithRequireLeader(t.Context()), cli, "l")
		leader := c.acceptWatch(t)
		leader.wantCreate("l", 0)
		startWatch(clientv3.WithRequireLeader(clientv3.WithRequireLeader(t.Context())), cli, "m")
		leader.wantCreate("m", 0)
		if got := plain.header(rpctypes.MetadataRequireLeaderKey); got != "" {
			t.Errorf("the plain stream requires a leader: %q", got)
		}
		if got := leader.header(rpctypes.MetadataRequireLeaderKey); got != "true" {
			t.Errorf("the other one says %q of a leader", got)
		}
	}, "m0:1")
}

func TestWatchIDsThatAProxyChose(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "a")
		server := c.acceptWatch(t)
		server.wantCreate("a", 0)
		startedB := startWatch(t.Context(), cli, "b")
		server.wantCreate("b", 0)
		for id := range int64(2) {
			server.reply(&pb.WatchResponse{Header: at(5), WatchId: id, Created: true})
		}
		chA, chB := <-started, <-startedB
		server.sendEvents(1, false, 7)
		server.sendEvents(0, false, 6)
		wantEvents(t, chA, 6)
		wantEvents(t, chB, 7)
	}, "m0:1")
}

func TestWatchCreatedNotify(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k", clientv3.WithCreatedNotify())
		server := c.acceptWatch(t)
		server.accept("k", 0, 5)
		ch := <-started
		if resp := <-ch; !resp.Created || resp.Header.Revision != 5 || resp.IsProgressNotify() || resp.Err() != nil {
			t.Fatalf("got %v, want the created response", resp)
		}
		server.fail(unavailable("gone"))
		server = c.acceptWatch(t)
		id := server.accept("k", 6, 6)
		server.sendEvents(id, false, 6)
		wantEvents(t, ch, 6) // and not that it was created once more
	}, "m0:1")
}

func TestWatchOptionsReachTheServer(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		startWatch(t.Context(), cli, "k", clientv3.WithPrefix(), clientv3.WithPrevKV(),
			clientv3.WithFilterPut(), clientv3.WithFilterDelete(), clientv3.WithFragment())
		create := c.acceptWatch(t).wantCreate("k", 0)
		filters := []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT, pb.WatchCreateRequest_NODELETE}
		if string(create.RangeEnd) != "l" || !create.PrevKv || !create.Fragment || !slices.Equal(create.Filters, filters) {
			t.Errorf("the server was asked for %v", create)
		}
	}, "m0:1")
}
