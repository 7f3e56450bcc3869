package concurrency

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	v3 "github.com/coreos/etcd/clientv3"
)

const (
	defaultTTL = 60 // seconds

	// revokePatience bounds how long the end of a session waits for the cluster.
	revokePatience = 10 * time.Second
)

// SessionOption changes what [NewSession] makes.
type SessionOption func(*sessionOptions)

type sessionOptions struct {
	ttl   int
	lease v3.LeaseID
	ctx   context.Context
}

// WithTTL sets how many seconds the lease lives without a renewal. Zero or less
// means 60. The server may raise it to the least that it supports.
func WithTTL(ttl int) SessionOption {
	return func(o *sessionOptions) {
		if ttl > 0 {
			o.ttl = ttl
		}
	}
}

// WithLease makes the session use a lease that there is, with the TTL that it has:
// a program that was started again thus comes back to its locks and elections.
// Close revokes it. Sessions with the same lease do not exclude each other.
func WithLease(leaseID v3.LeaseID) SessionOption {
	return func(o *sessionOptions) { o.lease = leaseID }
}

// WithContext makes the session end with ctx instead of with the context of the
// client. What Close does is given up with it, too: the lease then ends with its TTL.
func WithContext(ctx context.Context) SessionOption {
	return func(o *sessionOptions) { o.ctx = ctx }
}

// Session is a lease that is kept alive, for keys that are to go when the program
// does. It is safe for concurrent use.
type Session struct {
	client   *v3.Client
	lease    v3.LeaseID
	adopted  bool            // the lease may have keys of an earlier session
	parent   context.Context // of what Close does
	patience time.Duration   // for that

	ctx     context.Context
	end     context.CancelCauseFunc
	stopped chan struct{} // closed when nothing is renewed any more
	work    sync.WaitGroup

	mu       sync.Mutex        // guards the fields below
	deadline time.Time         // when the session is over, without another renewal
	places   map[string]*place // of those in use, by key
}

// NewSession makes a lease and keeps it alive until the session ends. That is when
// one of these happens:
//   - Close or Orphan is called, the context of [WithContext] ends, or the client
//     is closed,
//   - four fifths of the TTL have passed since the last renewal was answered, or
//     the whole TTL since that renewal was sent, as [v3.Lease] counts it,
//   - the server says that there is no such lease.
//
// If the context ends first the error is its own. With [WithLease] it is
// rpctypes.ErrLeaseNotFound if there is no such lease.
func NewSession(client *v3.Client, opts ...SessionOption) (*Session, error) {
	if client == nil {
		return nil, errors.New("concurrency: a session of a nil client")
	}
	o := sessionOptions{ttl: defaultTTL, ctx: client.Ctx()}
	for _, opt := range opts {
		opt(&o)
	}
	if o.ctx == nil {
		return nil, errors.New("concurrency: WithContext of nil")
	}
	s := &Session{
		client: client, lease: o.lease, adopted: o.lease != v3.NoLease, parent: o.ctx,
		stopped: make(chan struct{}), places: make(map[string]*place),
	}
	sent := time.Now()
	ttl, err := s.obtainLease(int64(o.ttl))
	if err != nil {
		return nil, err
	}
	s.deadline = sent.Add(useful(ttl))
	s.patience = min(ttl, revokePatience)
	s.ctx, s.end = context.WithCancelCause(o.ctx)
	answers, err := client.KeepAlive(s.ctx, s.lease)
	if err != nil {
		s.end(err)
		return nil, err // nothing reaches the cluster any more; the lease ends with its TTL
	}
	go s.run(answers)
	return s, nil
}

// useful is how much of a TTL a session makes use of.
func useful(ttl time.Duration) time.Duration { return ttl / 5 * 4 }

// obtainLease makes a lease, or looks for the one that was given, and gives its TTL.
func (s *Session) obtainLease(ttl int64) (time.Duration, error) {
	if s.adopted {
		renewed, err := s.client.KeepAliveOnce(s.parent, s.lease)
		if err != nil {
			return 0, err
		}
		return time.Duration(renewed.TTL) * time.Second, nil
	}
	granted, err := s.client.Grant(s.parent, ttl)
	if err != nil {
		return 0, err
	}
	s.lease = granted.ID
	return time.Duration(granted.TTL) * time.Second, nil
}

// run ends the session when its lease may have ended.
func (s *Session) run(answers <-chan *v3.LeaseKeepAliveResponse) {
	defer close(s.stopped)
	timer := time.NewTimer(time.Until(s.deadline))
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-timer.C:
			s.end(ErrSessionExpired)
			return
		case answer, open := <-answers:
			if !open || !s.extend(answer, timer) {
				s.end(ErrSessionExpired)
				return
			}
		}
	}
}

// extend is false for an answer that is read too late: the process may have stood
// still after it came.
func (s *Session) extend(answer *v3.LeaseKeepAliveResponse, timer *time.Timer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !now.Before(s.deadline) {
		return false
	}
	left := useful(time.Duration(answer.TTL) * time.Second)
	s.deadline = now.Add(left)
	timer.Reset(left)
	return true
}

// Client returns the client that the session was made with.
func (s *Session) Client() *v3.Client { return s.client }

// Lease returns the ID of the lease, for keys that are to go with the session.
func (s *Session) Lease() v3.LeaseID { return s.lease }

// Ctx returns a context that is canceled when the session ends, with the values of
// the context of [WithContext]. Its [context.Cause] is then [ErrSessionExpired],
// errors.Is says so, or that of the context which ended the session.
func (s *Session) Ctx() context.Context { return s.ctx }

// Done is closed when the session has ended. If that is because renewals failed,
// about a fifth of the TTL is left to stop what only the holder of a lock or the
// leader may do: only then can the server have ended the lease.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Orphan ends the session and leaves the lease to its TTL, or to the session that
// is made of it by [WithLease].
func (s *Session) Orphan() {
	s.mu.Lock() // so that no work begins after Wait
	s.end(errClosed)
	s.mu.Unlock()
	<-s.stopped
	s.work.Wait()
}

// Close ends the session and its lease, and thereby deletes all keys that were put
// with it. Locks are free from then on: stop before what they protect. A lease that
// has ended already is no error.
//
// It tries for the TTL, at most 10 seconds, as long as the context of [WithContext]
// has not ended. When that is in vain, the lease ends with its TTL.
func (s *Session) Close() error {
	s.Orphan()
	return s.revoke()
}

// revoke may be repeated: to end a lease twice is to end it once.
func (s *Session) revoke() error {
	ctx, cancel := context.WithTimeout(s.parent, s.patience)
	defer cancel()
	_, err := untilAnswered(ctx, func() (*v3.LeaseRevokeResponse, error) {
		return s.client.Revoke(ctx, s.lease)
	})
	if err == nil || errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return nil
	}
	return fmt.Errorf("concurrency: lease %x was not revoked: %w", int64(s.lease), err)
}

// isOver goes by the clock, as what ends the session may not have run yet.
func (s *Session) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx.Err() != nil || !time.Now().Before(s.deadline)
}

// bind gives a context for calls to the cluster, that ends with ctx and with the
// session. A member that is cut off from the leader refuses these calls at once,
// and says so to watches, instead of leaving them without an answer.
func (s *Session) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	bound, cancel := context.WithCancel(v3.WithRequireLeader(ctx))
	stop := context.AfterFunc(s.ctx, cancel)
	return bound, func() { stop(); cancel() }
}

// explain gives what to tell a caller with ctx whose call with key ended with err.
func (s *Session) explain(ctx context.Context, op, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded // The server was the first to see it.
	case s.isOver(), errors.Is(err, rpctypes.ErrLeaseNotFound):
		s.end(ErrSessionExpired) // what notices it may not have run yet
		return ErrSessionExpired
	case errors.Is(err, errKeyLost):
		return ErrSessionExpired
	default:
		return fmt.Errorf("concurrency: %s %q: %w", op, key, err)
	}
}

// start does work in the background, with a context that ends with the session. It
// is false if the session has ended.
func (s *Session) start(work func(ctx context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.work.Go(func() {
		ctx, release := s.bind(s.ctx)
		defer release()
		work(ctx)
	})
	return true
}
