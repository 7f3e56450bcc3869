package clientv3

import (
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

const (
	// noWatchID is the ID of replies that belong to no watch: notifications of
	// progress for all of them, and refusals of what has none yet.
	noWatchID = -1
	// maxRefusals is how often a watch is tried with a new token.
	maxRefusals = 5
)

// receive acts on one reply of the server.
func (s *watchStream) receive(conn *watchConn, reply *pb.WatchResponse) {
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	if reply.Created {
		s.receiveCreated(conn, reply)
		return
	}
	if reply.WatchId == noWatchID {
		for _, one := range conn.live {
			one.noted = max(one.noted, reply.Header.GetRevision())
			s.deliver(conn, one, WatchResponse{Header: reply.Header})
		}
		return
	}
	one := conn.live[reply.WatchId]
	switch {
	case one == nil: // late, of one that was given up
	case reply.Canceled:
		delete(conn.live, one.id)
		one.disconnect()
		s.receiveCanceled(conn, one, reply)
	case len(reply.Events) == 0 && !reply.Fragment:
		one.next = max(one.next, reply.Header.GetRevision()+1)
		if one.progress {
			s.deliver(conn, one, WatchResponse{Header: reply.Header})
		}
	default:
		if events := one.take(reply); len(events) > 0 {
			s.deliver(conn, one, WatchResponse{Header: reply.Header, Events: events})
		}
	}
}

func (s *watchStream) receiveCreated(conn *watchConn, reply *pb.WatchResponse) {
	one := conn.takeAsked(reply.WatchId)
	if one == nil {
		return
	}
	_, wanted := s.watches[one]
	switch {
	case reply.Canceled && wanted:
		s.receiveCanceled(conn, one, reply)
		return
	case reply.Canceled:
		return
	case !wanted:
		conn.postCancel(reply.WatchId)
		return
	}
	conn.answered = true
	conn.live[reply.WatchId] = one
	one.id = reply.WatchId
	one.refusals = 0
	if one.next == 0 {
		one.next = reply.Header.GetRevision() + 1
	}
	if one.created {
		one.created = false // once, not again on the next connection
		one.out.put(WatchResponse{Header: reply.Header, Created: true})
	}
	one.release()
}

// takeAsked finds the watch that the server has taken or refused. Servers answer in
// order, but proxies may have IDs of their own, and a refusal may have none.
func (c *watchConn) takeAsked(id int64) *watch {
	for {
		one := c.asked[id]
		if one != nil {
			delete(c.asked, id)
			return one
		}
		if len(c.order) == 0 {
			return nil
		}
		id = c.order[0]
		c.order = c.order[1:]
	}
}

// deliver passes on resp. If too much waits for the reader, the server is made to
// stop until the reader has caught up.
func (s *watchStream) deliver(conn *watchConn, one *watch, resp WatchResponse) {
	if !one.out.put(resp) {
		return
	}
	delete(conn.live, one.id)
	conn.postCancel(one.id)
	one.disconnect()
	one.suspended = !one.out.awaitRoom()
	s.create(one)
}

// receiveCanceled ends one, unless there is a way to go on.
func (s *watchStream) receiveCanceled(conn *watchConn, one *watch, reply *pb.WatchResponse) {
	last := WatchResponse{
		Header:          reply.Header,
		CompactRevision: reply.CompactRevision,
		Canceled:        true,
		CancelReason:    reply.CancelReason,
	}
	if reply.CompactRevision != 0 && one.noted >= one.next && one.noted+1 >= reply.CompactRevision {
		one.next = one.noted + 1
		s.create(one)
		return
	}
	err := last.Err()
	tokens := s.watcher.client.token
	one.refusals++
	switch {
	case one.refusals > maxRefusals:
		s.end(one, last)
	case tokens.canRenew(err):
		conn.renewToken()
	case tokens.canRenew(rpctypes.ErrInvalidAuthToken) && errors.Is(err, rpctypes.ErrPermissionDenied):
		one.checking = true
		s.watcher.working.Go(func() { s.checkPermission(one, last) })
	default:
		s.end(one, last)
	}
}

// renewToken gives up the connection, to be opened anew with a token that is valid.
func (c *watchConn) renewToken() {
	c.tokenStale.Store(true)
	c.cancel()
}

// checkPermission finds out whether the user may not read what one watches, or the
// token is no longer valid: etcd 3.4 gives the same reason for both.
func (s *watchStream) checkPermission(one *watch, last WatchResponse) {
	request := &pb.RangeRequest{Key: one.key, RangeEnd: one.end, CountOnly: true}
	err := s.watcher.client.call(s.ctx, pb.KV_Range_FullMethodName, request, new(pb.RangeResponse), reads)
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	one.checking = false
	switch {
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		s.end(one, last)
	case s.conn != nil:
		s.conn.renewToken()
	}
}

// end closes one after a last response.
func (s *watchStream) end(one *watch, last WatchResponse) {
	if _, known := s.watches[one]; !known {
		return
	}
	s.forget(one)
	one.out.end(&last)
}
