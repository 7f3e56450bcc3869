package clientv3

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"
)

// watchStream carries watches over one gRPC stream after another. It is there as
// long as it has watches.
type watchStream struct {
	watcher *watcher
	key     string
	ctx     context.Context // ends with the last watch
	cancel  context.CancelFunc
	pause   reopenPause
	// leaderless are the streams in a row that a member without leader refused.
	leaderless int
	avoid      shunned // those members

	// The fields below are guarded by watcher.mu.

	watches  map[*watch]struct{}
	conn     *watchConn // nil while there is none
	lastID   int64      // no ID is used twice, so a late reply finds no other watch
	progress bool       // a progress notification is wanted from the next connection
}

// watchConn is one gRPC stream and what its server has been asked.
type watchConn struct {
	*stream[pb.WatchRequest, pb.WatchResponse]
	wake       chan struct{} // has room for the news that out has grown
	answered   bool          // the server has taken a watch
	tokenStale atomic.Bool   // the server no longer accepts what the stream was opened with

	// The fields below are guarded by watcher.mu.

	out   []*pb.WatchRequest
	asked map[int64]*watch // that the server has not taken yet, by the ID wished for
	order []int64          // of asked
	live  map[int64]*watch // by the ID that the server uses
}

func newWatchStream(w *watcher, key string, md metadata.MD) *watchStream {
	s := &watchStream{watcher: w, key: key, watches: make(map[*watch]struct{})}
	s.ctx, s.cancel = context.WithCancel(metadata.NewOutgoingContext(w.ctx, md))
	return s
}

// run opens one connection after another until no watch is left.
func (s *watchStream) run() {
	defer s.dropAll()
	for s.ctx.Err() == nil {
		conn, err := s.open()
		if err == nil {
			err = s.serve(conn)
		}
		if s.ctx.Err() != nil {
			return
		}
		if err = s.afterLoss(conn, err); err != nil {
			s.endAll(err)
			return
		}
		s.pause.wait(s.ctx)
	}
}

func (s *watchStream) open() (*watchConn, error) {
	opened, err := openStreamElsewhere[pb.WatchRequest, pb.WatchResponse](
		s.ctx, s.watcher.client, &pb.Watch_ServiceDesc, pb.Watch_Watch_FullMethodName, s.avoid)
	if err != nil {
		return nil, err
	}
	return &watchConn{
		stream: opened,
		wake:   make(chan struct{}, 1),
		asked:  make(map[int64]*watch),
		live:   make(map[int64]*watch),
	}, nil
}

// serve passes on what comes over conn until it ends.
func (s *watchStream) serve(conn *watchConn) error {
	s.attach(conn)
	defer s.detach(conn)
	var sending sync.WaitGroup
	defer sending.Wait()
	defer conn.cancel()
	sending.Go(func() { conn.sendAll(&s.watcher.mu) })
	reply := new(pb.WatchResponse) // used again for each
	for {
		if err := conn.RecvMsg(reply); err != nil {
			return ContextError(s.ctx, err)
		}
		s.receive(conn, reply)
	}
}

// sendAll sends what is put into out. An error of Send says nothing: that of Recv does.
func (c *watchConn) sendAll(mu *sync.Mutex) {
	for {
		mu.Lock()
		requests := c.out
		c.out = nil
		mu.Unlock()
		for _, request := range requests {
			if c.Send(request) != nil {
				return
			}
		}
		select {
		case <-c.wake:
		case <-c.ctx.Done():
			return
		}
	}
}

// post needs watcher.mu held, as all below that do not take it.
func (c *watchConn) post(request *pb.WatchRequest) {
	c.out = append(c.out, request)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *watchConn) postCancel(id int64) {
	c.post(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{
		CancelRequest: &pb.WatchCancelRequest{WatchId: id},
	}})
}

// attach asks conn for all watches, in the order in which they were begun.
func (s *watchStream) attach(conn *watchConn) {
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	s.conn = conn
	watches := make([]*watch, 0, len(s.watches))
	for one := range s.watches {
		watches = append(watches, one)
	}
	slices.SortFunc(watches, func(a, b *watch) int { return cmp.Compare(a.seq, b.seq) })
	for _, one := range watches {
		s.create(one)
	}
	if s.progress {
		s.requestProgress()
	}
}

func (s *watchStream) detach(conn *watchConn) {
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	s.conn = nil
	for _, one := range conn.live {
		one.disconnect()
	}
}

// create asks the server for one, or leaves that to attach.
func (s *watchStream) create(one *watch) {
	if _, known := s.watches[one]; !known || s.conn == nil || one.suspended || one.checking {
		return
	}
	s.lastID++
	s.conn.asked[s.lastID] = one
	s.conn.order = append(s.conn.order, s.lastID)
	s.conn.post(one.request(s.lastID))
}

func (s *watchStream) requestProgress() {
	s.progress = s.conn == nil
	if !s.progress {
		s.conn.post(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{
			ProgressRequest: &pb.WatchProgressRequest{},
		}})
	}
}

// forget gives up one, here and on the server. If the server has not taken it yet,
// taking it is when it is canceled. The last watch takes the stream along.
func (s *watchStream) forget(one *watch) {
	if _, known := s.watches[one]; !known {
		return
	}
	delete(s.watches, one)
	one.unhook()
	one.release()
	if s.conn != nil && one.id != 0 {
		delete(s.conn.live, one.id)
		s.conn.postCancel(one.id)
	}
	if len(s.watches) == 0 {
		s.close()
	}
}

// close makes the next watch begin another stream.
func (s *watchStream) close() {
	s.cancel()
	if s.watcher.streams[s.key] == s {
		delete(s.watcher.streams, s.key)
	}
}

// afterLoss tells why the watches can't go on, or nil if a new connection may help.
func (s *watchStream) afterLoss(conn *watchConn, err error) error {
	if conn != nil && conn.answered {
		s.pause.reset()
		s.leaderless, s.avoid = 0, nil
	}
	tokens := s.watcher.client.token
	switch {
	case conn != nil && (conn.tokenStale.Load() || tokens.canRenew(err)):
		if _, err = tokens.renew(s.ctx, conn.token); err == nil || isPassing(err) {
			return nil
		}
		return err
	case errors.Is(err, rpctypes.ErrNoLeader):
		endpoints := len(s.watcher.client.Endpoints())
		s.leaderless++
		if s.leaderless > endpoints {
			return err
		}
		if conn != nil {
			s.avoid.add(conn.peer, endpoints)
		}
		return nil
	case isPassing(err):
		s.watcher.client.logf("watch stream: %v", err)
		return nil
	}
	return err
}

// endAll ends the watches for a reason that no connection can mend.
func (s *watchStream) endAll(err error) {
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	for one := range s.watches {
		s.end(one, WatchResponse{Canceled: true, err: err})
	}
	s.close()
}

// dropAll closes what is left when the watcher is closed.
func (s *watchStream) dropAll() {
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	for one := range s.watches {
		s.forget(one)
		one.out.drop()
	}
	s.close()
}
