package clientv3

import (
	"context"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// leaseStream renews the leases over one gRPC stream after another. It is there as
// long as there are leases to renew.
type leaseStream struct {
	lessor *lessor
	ctx    context.Context // ends with the last lease
	cancel context.CancelFunc
	pause  reopenPause
	avoid  shunned

	// The fields below are guarded by lessor.mu.

	conn   *leaseConn // nil while there is none
	stalls int        // connections given up as stuck since the last answer
}

// leaseConn is one gRPC stream and what waits to be sent on it.
type leaseConn struct {
	*renewalStream
	wake chan struct{} // has room for the news that out has grown

	// The fields below are guarded by lessor.mu.

	out   []*keptLease
	heard time.Time // when the last answer came, or when it was opened
}

func newLeaseStream(l *lessor) *leaseStream {
	s := &leaseStream{lessor: l}
	s.ctx, s.cancel = context.WithCancel(l.ctx)
	return s
}

// run opens one connection after another until no lease is left. Whatever they fail
// by, the leases are given up no earlier than their TTL says.
func (s *leaseStream) run() {
	defer s.endAll()
	for s.ctx.Err() == nil {
		opened, err := openRenewalStream(s.ctx, s.lessor.client, s.avoid)
		if err == nil {
			conn := &leaseConn{renewalStream: opened, wake: make(chan struct{}, 1)}
			err = s.serve(conn)
			s.avoid.add(conn.peer, len(s.lessor.client.Endpoints()))
			if tokens := s.lessor.client.token; tokens.canRenew(err) {
				_, err = tokens.renew(s.ctx, conn.token)
			}
		}
		if s.ctx.Err() == nil {
			s.lessor.client.logf("lease stream: %v", err)
			s.pause.wait(s.ctx)
		}
	}
}

// serve passes on what comes over conn until it ends.
func (s *leaseStream) serve(conn *leaseConn) error {
	s.attach(conn)
	defer s.detach()
	var sending sync.WaitGroup
	defer sending.Wait()
	defer conn.cancel()
	sending.Go(func() { s.sendAll(conn) })
	reply := new(pb.LeaseKeepAliveResponse) // used again for each
	for {
		err := conn.RecvMsg(reply)
		if err != nil && s.ctx.Err() == nil && conn.ctx.Err() != nil {
			return fmt.Errorf("%s does not answer", conn.peer)
		}
		if err != nil {
			return ContextError(s.ctx, err)
		}
		s.avoid = nil
		s.pause.reset()
		s.receive(conn, reply)
	}
}

// attach asks conn for the renewals that are without answer.
func (s *leaseStream) attach(conn *leaseConn) {
	s.lessor.mu.Lock()
	defer s.lessor.mu.Unlock()
	s.conn = conn
	conn.heard = time.Now()
	if s.lessor.stream != s {
		return // The last lease has just ended.
	}
	for _, lease := range s.lessor.kept {
		if lease.asked.IsZero() {
			continue
		}
		lease.asked = time.Time{}
		s.lessor.ask(lease, conn.heard)
	}
}

func (s *leaseStream) detach() {
	s.lessor.mu.Lock()
	defer s.lessor.mu.Unlock()
	s.conn = nil
}

func (s *leaseStream) receive(conn *leaseConn, reply *pb.LeaseKeepAliveResponse) {
	s.lessor.mu.Lock()
	defer s.lessor.mu.Unlock()
	conn.heard = time.Now()
	s.stalls = 0
	if s.lessor.stream == s {
		s.lessor.answer(reply)
	}
}

// post needs lessor.mu held.
func (c *leaseConn) post(lease *keptLease) {
	c.out = append(c.out, lease)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// sendAll sends what is put into out. An error of Send says nothing: that of Recv does.
func (s *leaseStream) sendAll(conn *leaseConn) {
	for {
		s.lessor.mu.Lock()
		leases := conn.out
		conn.out = nil
		s.lessor.mu.Unlock()
		for _, lease := range leases {
			if s.markSent(lease) && conn.Send(&pb.LeaseKeepAliveRequest{ID: int64(lease.id)}) != nil {
				return
			}
		}
		select {
		case <-conn.wake:
		case <-conn.ctx.Done():
			return
		}
	}
}

// markSent is false for a lease that is no longer to be renewed.
func (s *leaseStream) markSent(lease *keptLease) bool {
	s.lessor.mu.Lock()
	defer s.lessor.mu.Unlock()
	lease.sent = time.Now()
	return s.lessor.kept[lease.id] == lease
}

// stuckAt is when the connection is to be given up if nothing comes: when a sixth of
// the TTL has passed, which leaves time to try two others before the lease ends. The
// second has longer, as it may be the cluster that is slow. It needs lessor.mu held.
func (s *leaseStream) stuckAt(lease *keptLease) time.Time {
	if s.conn == nil {
		return lease.deadline
	}
	patience := firstPatience << min(s.stalls, 2)
	if lease.ttl > 0 {
		patience = min(lease.ttl/6, maxPatience) << min(s.stalls, 1)
	}
	since := lease.asked
	if s.conn.heard.After(since) {
		since = s.conn.heard
	}
	return since.Add(patience)
}

// giveUpIfStuck needs lessor.mu held.
func (s *leaseStream) giveUpIfStuck(lease *keptLease, now time.Time) {
	if s.conn != nil && !now.Before(s.stuckAt(lease)) {
		s.stalls++
		s.conn.cancel()
		s.conn = nil
	}
}

// endAll closes what is left when the Lease is closed.
func (s *leaseStream) endAll() {
	s.lessor.mu.Lock()
	defer s.lessor.mu.Unlock()
	if s.lessor.stream != s {
		return
	}
	for _, lease := range s.lessor.kept {
		s.lessor.end(lease)
	}
}
