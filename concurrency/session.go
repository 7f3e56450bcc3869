package concurrency

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/etcd/client"
)

const (
	defaultTTL       = time.Minute
	defaultDirectory = "/_sessions"
	longestPatience  = 10 * time.Second
)

// SessionOption modifies NewSession.
type SessionOption func(*sessionOptions)

type sessionOptions struct {
	ttl       time.Duration
	ctx       context.Context
	directory string
	value     string
}

// WithTTL sets after how many seconds without a renewal the server drops the keys
// of the session. Zero or less means 60. The session itself ends when four fifths
// of that have passed.
func WithTTL(seconds int) SessionOption {
	return func(o *sessionOptions) {
		if seconds > 0 {
			o.ttl = time.Duration(seconds) * time.Second
		}
	}
}

// WithContext ends the session when ctx ends, as [Session.Orphan] does. A Close
// still deletes its keys.
func WithContext(ctx context.Context) SessionOption {
	return func(o *sessionOptions) { o.ctx = ctx }
}

// WithDirectory sets the directory in which the session has its own key. Empty
// means /_sessions, which is hidden: it shows in no listing and no watch of "/".
// Locks, elections and queues have their keys elsewhere, below their prefix.
func WithDirectory(dir string) SessionOption {
	return func(o *sessionOptions) {
		if dir != "" {
			o.directory = dir
		}
	}
}

// WithValue sets the value of the session's own key. With [WithDirectory], the key
// is the entry of a service in a directory, there for as long as the service lives.
// Empty means a random ID, which is also the key's name.
func WithValue(value string) SessionOption {
	return func(o *sessionOptions) { o.value = value }
}

// Session keeps keys with a TTL alive for as long as its program runs and reaches
// the cluster, and tells the program in time when that is over. Make it with
// [NewSession]. It is safe for concurrent use.
type Session struct {
	kapi     client.KeysAPI
	id       string        // unique among all sessions
	key      string        // its own
	ttl      time.Duration // whole seconds
	patience time.Duration // for what is done without a context of the caller's
	nonces   atomic.Uint64

	ctx     context.Context
	end     context.CancelCauseFunc
	stopped chan struct{} // closed when the keeper has ended
	wake    chan struct{} // tells the keeper to look again
	work    sync.WaitGroup
	closing sync.Mutex // held by Close

	mu     sync.Mutex // guards the fields below
	kept   map[*kept]struct{}
	chores map[*chore]struct{}
	busy   int // calls of the keeper that are under way
}

// NewSession begins a session, and returns when its own key is in the store.
//
// The session ends, and Done is closed, as soon as one of these happens:
//   - Close or Orphan is called, or the context of [WithContext] ends,
//   - for one of its keys, four fifths of the TTL have passed since the last
//     renewal that succeeded was sent,
//   - one of its keys is found to be gone, or to have another's value.
//
// It tries for the TTL, at most 10 seconds. The error is an
// [*client.InvalidInputError] for a nil kapi, the error of the context of
// [WithContext], or an [*OpError].
func NewSession(kapi client.KeysAPI, opts ...SessionOption) (*Session, error) {
	o := sessionOptions{ttl: defaultTTL, ctx: context.Background(), directory: defaultDirectory}
	for _, opt := range opts {
		opt(&o)
	}
	switch {
	case kapi == nil:
		return nil, &client.InvalidInputError{Field: "KeysAPI", Reason: "it is nil"}
	case o.ctx == nil:
		return nil, &client.InvalidInputError{Field: "context", Reason: "it is nil"}
	}
	s := &Session{
		kapi: kapi, id: rand.Text(), ttl: o.ttl, patience: min(o.ttl, longestPatience),
		stopped: make(chan struct{}), wake: make(chan struct{}, 1),
		kept: map[*kept]struct{}{}, chores: map[*chore]struct{}{},
	}
	s.key = cleanKey(o.directory) + "/" + s.id
	s.ctx, s.end = context.WithCancelCause(o.ctx)
	if err := s.begin(cmp.Or(o.value, s.id)); err != nil {
		s.end(err)
		if o.ctx.Err() != nil {
			return nil, o.ctx.Err()
		}
		return nil, &OpError{Op: "begin session", Key: s.key, Err: err}
	}
	return s, nil
}

// begin writes the session's own key. Nobody else writes it, so it may be written
// again until an answer comes.
func (s *Session) begin(value string) error {
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.patience, errNoAnswer)
	defer cancel()
	var sent time.Time
	_, err := s.untilAnswered(ctx, func(ctx context.Context) (*client.Response, error) {
		sent = time.Now()
		return s.kapi.Set(ctx, s.key, value, &client.SetOptions{TTL: s.ttl})
	})
	if err != nil {
		return err
	}
	if _, err := s.keep(s.key, value, sent); err != nil {
		return err
	}
	go s.run()
	return nil
}

// Key is the session's own key. It is there for as long as the session is alive,
// and after that until Close has deleted it or its TTL has passed.
func (s *Session) Key() string { return s.key }

// Done is closed when the session has ended, for the reason that Err gives. From
// then on a fifth of the TTL is left before another program can have what was
// held: the time to stop what must not be done by two.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Ctx is canceled when the session ends; its context.Cause is the error of Err. It
// has the values of the context of [WithContext].
func (s *Session) Ctx() context.Context { return s.ctx }

// Err is nil while the session is alive, and a [*SessionError] after that. It goes
// by the clock: when a process has stood still for longer than its keys live, Err
// says so before anything else has noticed.
func (s *Session) Err() error {
	s.mu.Lock()
	s.expire(time.Now())
	s.mu.Unlock()
	return s.endedBy()
}

// endedBy gives why the session has ended.
func (s *Session) endedBy() error {
	cause := context.Cause(s.ctx)
	var ended *SessionError
	if cause == nil || errors.As(cause, &ended) {
		return cause
	}
	return &SessionError{Key: s.key, Reason: cause}
}

// Orphan ends the session without deleting its keys, which go when their TTL has
// passed. To call it more than once, or after Close, does no harm.
func (s *Session) Orphan() {
	s.end(&SessionError{Key: s.key, Reason: ErrClosed})
	<-s.stopped
}

// Close ends the session and deletes its keys: its own, and those of locks that
// are held, elections, and so on. What they protect must not be used any more
// when Close is called: whoever waits may have it before Close returns.
//
// It tries for the TTL, at most 10 seconds, whether or not a context has ended. Its
// error joins an [*OpError] for each key that may still be there, and goes when
// its TTL has passed; to call Close again tries those again. When all is gone the
// error is nil, also where the session had ended before.
func (s *Session) Close() error {
	s.Orphan()
	s.closing.Lock()
	defer s.closing.Unlock()
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(s.ctx), s.patience, errNoAnswer)
	defer cancel()
	return s.deleteAll(ctx)
}

// explain gives what the caller is told of a call that ended with the session, with
// the caller's context, or for a reason of its own.
func (s *Session) explain(ctx context.Context, op, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case s.Err() != nil:
		return s.endedBy()
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return &OpError{Op: op, Key: key, Err: err}
	}
}

// bind gives a context that ends with ctx, and with the session. Call release
// when it is not needed any more.
func (s *Session) bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(s.endedBy()) })
	return bound, func() { stop(); cancel(nil) }
}

// nonce gives a value that no other call and no other session ever writes.
func (s *Session) nonce() string { return fmt.Sprintf("%s-%d", s.id, s.nonces.Add(1)) }
