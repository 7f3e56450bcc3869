package clientv3

import (
	"context"
	"math/rand/v2"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

const (
	// keepAliveRoom is how many answers wait for the reader of KeepAlive.
	keepAliveRoom = 16
	// unansweredLimit is at least how long KeepAlive waits for its first answer.
	unansweredLimit = 10 * time.Second
	// renewalStep is the time between two batches of renewals: enough to have many in
	// one packet, and little of the shortest TTL, a second.
	renewalStep = 50 * time.Millisecond
	// maxPatience bounds how long a renewal may be without answer on a stream where
	// nothing else comes either.
	maxPatience = 5 * time.Second
)

// keptLease is a lease that is being renewed. Its fields are guarded by lessor.mu.
type keptLease struct {
	id        LeaseID
	ttl       time.Duration // zero before the first answer
	listeners []*keepAliveListener

	asked    time.Time // when the renewal that waits for an answer fell due, or zero
	sent     time.Time // when it was sent on the current connection, or zero
	due      time.Time // when the next one is
	deadline time.Time // when the lease may have ended

	wake  time.Time // when something is to be done
	place int       // on the agenda, or -1
}

// keepAliveListener is what one call of KeepAlive began.
type keepAliveListener struct {
	ch     chan *LeaseKeepAliveResponse
	unhook func() bool // the end of its context is no longer heeded
}

// KeepAlive implements [Lease].
func (l *lessor) KeepAlive(ctx context.Context, id LeaseID) (<-chan *LeaseKeepAliveResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ctx.Err(); err != nil {
		return nil, ErrKeepAliveHalted{Reason: err}
	}
	now := time.Now()
	lease := l.kept[id]
	if lease == nil {
		limit := max(unansweredLimit, l.client.config.DialTimeout+time.Second)
		lease = &keptLease{id: id, place: -1, deadline: now.Add(limit)}
		l.kept[id] = lease
	}
	listener := &keepAliveListener{ch: make(chan *LeaseKeepAliveResponse, keepAliveRoom)}
	listener.unhook = context.AfterFunc(ctx, func() { l.leave(lease, listener) })
	lease.listeners = append(lease.listeners, listener)
	if l.stream == nil {
		l.stream = newLeaseStream(l)
		l.working.Go(l.stream.run)
	}
	l.ask(lease, now)
	return listener.ch, nil
}

// leave closes the channel of a listener whose context has ended. The last one
// leaves the lease to itself.
func (l *lessor) leave(lease *keptLease, listener *keepAliveListener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range lease.listeners {
		if other != listener {
			continue
		}
		lease.listeners = append(lease.listeners[:i], lease.listeners[i+1:]...)
		close(listener.ch)
		if len(lease.listeners) == 0 {
			l.end(lease)
		}
		return
	}
}

// end needs mu held, as all below that do not take it. The last lease takes the
// stream along.
func (l *lessor) end(lease *keptLease) {
	for _, listener := range lease.listeners {
		listener.unhook()
		close(listener.ch)
	}
	lease.listeners = nil
	delete(l.kept, lease.id)
	l.agenda.remove(lease)
	if len(l.kept) == 0 {
		l.stream.cancel()
		l.stream = nil
	}
}

// ask has lease renewed, unless an answer is awaited already.
func (l *lessor) ask(lease *keptLease, now time.Time) {
	if lease.asked.IsZero() {
		lease.asked, lease.sent = now, time.Time{}
		if l.stream.conn != nil {
			l.stream.conn.post(lease)
		}
	}
	l.schedule(lease)
}

// tick does what has fallen due.
func (l *lessor) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for {
		lease := l.agenda.next(now)
		switch {
		case lease == nil:
			if len(l.agenda.leases) > 0 {
				l.agenda.set(l.agenda.leases[0].wake)
			}
			return
		case !now.Before(lease.deadline):
			l.end(lease)
		case lease.asked.IsZero():
			l.ask(lease, now)
		default:
			l.stream.giveUpIfStuck(lease, now)
			l.schedule(lease)
		}
	}
}

// inStep is when renewals are sent that are due soon after, so that those of many
// leases go out together.
func (l *lessor) inStep(due time.Time) time.Time {
	return due.Add(-(due.Sub(l.began) % renewalStep))
}

// schedule puts lease on the agenda for when it next needs something.
func (l *lessor) schedule(lease *keptLease) {
	wake := lease.due
	if !lease.asked.IsZero() {
		wake = l.stream.stuckAt(lease)
	}
	if lease.deadline.Before(wake) {
		wake = lease.deadline
	}
	l.agenda.put(lease, wake)
}

// answer passes on what the server said to a renewal.
func (l *lessor) answer(reply *pb.LeaseKeepAliveResponse) {
	lease := l.kept[LeaseID(reply.ID)]
	switch {
	case lease == nil, lease.sent.IsZero():
		return // no longer kept, or to a renewal before
	case reply.TTL <= 0:
		l.end(lease)
		return
	}
	lease.ttl = time.Duration(min(reply.TTL, int64(1<<62/time.Second))) * time.Second
	lease.deadline = lease.sent.Add(lease.ttl)
	// Up to a tenth earlier than a third, so that they are not all due at once.
	third := lease.ttl / 3
	lease.due = l.inStep(lease.sent.Add(third - rand.N(third/10)))
	lease.asked, lease.sent = time.Time{}, time.Time{}
	l.schedule(lease)
	response := &LeaseKeepAliveResponse{ResponseHeader: reply.Header, ID: lease.id, TTL: reply.TTL}
	for _, listener := range lease.listeners {
		select {
		case listener.ch <- response:
		default: // The reader has enough to read.
		}
	}
}
