package concurrency

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// mostAtATime is how many calls a keeper has under way at a time.
const mostAtATime = 16

// kept is a key with the session's TTL that the session renews until it ends or
// release is called. Its loss ends the session.
type kept struct {
	s         *Session
	key       string
	value     string // what it has, or how that begins
	exclusive bool   // the name is never used for anything else

	// guarded by s.mu
	deadline time.Time // when the session ends unless it is renewed
	due      time.Time // when it is renewed next
	busy     bool      // a renewal is under way
	err      error     // of the last renewal
}

// keep attaches a key, which has been written with the session's TTL and value,
// and which other programs may write once it is gone: it is renewed only while it
// has that value. since is when the request that wrote it, or the last renewal that
// succeeded, was sent; time.Now taken before the call.
//
// The error is that of a session that has ended; the key is then left as it is,
// and the caller deletes it (see [Session.remove]).
func (s *Session) keep(key, value string, since time.Time) (*kept, error) {
	return s.attach(&kept{s: s, key: key, value: value}, since)
}

// keepOwn is keep for a name that nobody else ever uses, as those that
// CreateInOrder gives. The value may change, as long as it begins with mark.
func (s *Session) keepOwn(key, mark string, since time.Time) (*kept, error) {
	return s.attach(&kept{s: s, key: key, value: mark, exclusive: true}, since)
}

func (s *Session) attach(k *kept, since time.Time) (*kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, s.endedBy()
	}
	k.renewed(since)
	s.kept[k] = struct{}{}
	s.signal()
	return k, nil
}

// release stops the renewals, and leaves the key as it is. A renewal that is under
// way may still be carried out. To call it again does no harm.
func (k *kept) release() {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	delete(k.s.kept, k)
}

// lost ends the session because the key is gone, or another's; err says how that
// was found out, and may be nil.
func (k *kept) lost(err error) {
	k.s.end(&SessionError{Key: k.key, Reason: ErrKeyLost, Err: err})
}

// renewed sets the times after a success. s.mu is held.
func (k *kept) renewed(since time.Time) {
	k.deadline = since.Add(k.s.alive())
	k.due = since.Add(k.s.ttl / 3)
	k.err = nil
}

// alive is how long a key counts as ours after a renewal was sent. The server
// counts the TTL from later on. The rest is for who must stop in time, and for
// members whose clocks differ.
func (s *Session) alive() time.Duration { return s.ttl - s.ttl/5 }

// renew asks the server for another TTL.
func (k *kept) renew(ctx context.Context) error {
	set := &client.SetOptions{Refresh: true, TTL: k.s.ttl}
	if k.exclusive {
		set.PrevExist = client.PrevExist // to be repeated on other endpoints
	} else {
		set.PrevValue = k.value
	}
	resp, err := k.s.attempt(ctx, func(ctx context.Context) (*client.Response, error) {
		return k.s.kapi.Set(ctx, k.key, "", set)
	})
	if err == nil && !strings.HasPrefix(resp.Node.Value, k.value) {
		return client.Error{Code: client.ErrorCodeTestFailed, Message: "the value is another's", Cause: k.key, Index: resp.Index}
	}
	return err
}

// remove deletes the key.
func (k *kept) remove(ctx context.Context) error {
	if k.exclusive {
		return k.s.remove(ctx, k.key, "")
	}
	return k.s.remove(ctx, k.key, k.value)
}

// chore is something that is left to do, and of no use after a time.
type chore struct {
	key   string // what it is about
	do    func(context.Context) error
	until time.Time

	// guarded by Session.mu
	due  time.Time
	busy bool
}

// errAwaited is what a chore returns that has nothing to do yet: there may never be
// anything.
var errAwaited = errors.New("concurrency: a creation that was not answered may be carried out yet")

// later has the keeper do something until that succeeds or one TTL has passed,
// after which what was to be deleted has gone by itself. do is called with a
// context of an eighth of the TTL; key is what Close names when it is not done by
// then. Once the session has ended it is only done by Close.
func (s *Session) later(key string, do func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.chores[&chore{key: key, do: do, until: now.Add(s.ttl), due: now}] = struct{}{}
	s.signal()
}

// signal makes the keeper look again.
func (s *Session) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}

// run is the keeper.
func (s *Session) run() {
	defer close(s.stopped)
	defer s.work.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		timer.Reset(time.Until(s.look()))
	}
}

// look starts what is due, and gives when to look again.
func (s *Session) look() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.expire(now)
	if s.ctx.Err() != nil {
		return now
	}
	next := now.Add(s.ttl)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	for k := range s.kept {
		sooner(k.deadline)
		switch {
		case k.busy:
		case k.due.After(now):
			sooner(k.due)
		case s.busy < mostAtATime: // else the end of a call wakes the keeper
			k.busy = true
			s.start(k.renew, k.settle)
		}
	}
	for c := range s.chores {
		switch {
		case c.busy:
		case now.After(c.until):
			delete(s.chores, c)
		case c.due.After(now):
			sooner(c.due)
		case s.busy < mostAtATime:
			c.busy = true
			s.start(c.do, func(_ time.Time, err error) { s.settleChore(c, err) })
		}
	}
	return next
}

// expire ends the session when a key's deadline has passed. s.mu is held.
func (s *Session) expire(now time.Time) {
	if s.ctx.Err() != nil {
		return
	}
	for k := range s.kept {
		if !now.Before(k.deadline) {
			s.end(&SessionError{Key: k.key, Reason: ErrNotRenewed, Err: k.err})
			return
		}
	}
}

// start makes one call of the keeper; settle is called with s.mu held. s.mu is
// held.
func (s *Session) start(call func(context.Context) error, settle func(sent time.Time, err error)) {
	s.busy++
	s.work.Go(func() {
		ctx, cancel := context.WithTimeoutCause(s.ctx, s.callTimeout(), errNoAnswer)
		defer cancel()
		sent := time.Now()
		err := call(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy--
		settle(sent, err)
		s.signal()
	})
}

// settle notes what a renewal came to. A failure whose outcome is unknown does not
// count, and to renew again does no harm. s.mu is held.
func (k *kept) settle(sent time.Time, err error) {
	k.busy = false
	_, wanted := k.s.kept[k]
	switch {
	case !wanted || k.s.ctx.Err() != nil:
	case err == nil:
		k.renewed(sent)
	case isGone(err):
		k.lost(err)
	default:
		k.err = err
		k.due = sent.Add(k.s.retryPause()) // at once, if it was waited for longer
	}
}

func (s *Session) settleChore(c *chore, err error) {
	c.busy = false
	c.due = time.Now().Add(s.retryPause())
	if err == nil {
		delete(s.chores, c)
	}
}

// callTimeout bounds one call of the keeper. A renewal is due when a third of the TTL
// has passed, and the session ends at four fifths: that leaves time for a member
// that does not answer, for an election in which another one loses the request, and
// for a third to answer.
func (s *Session) callTimeout() time.Duration { return s.ttl / 8 }

// retryPause is how long after its beginning a call of the keeper that failed is
// made again.
func (s *Session) retryPause() time.Duration { return min(s.ttl/30, lastPause) }

// deleteAll deletes what is kept and does what is left to do, when the keeper has
// ended. What succeeds is forgotten.
func (s *Session) deleteAll(ctx context.Context) error {
	var (
		all   sync.WaitGroup
		slots = make(chan struct{}, mostAtATime)
		mu    sync.Mutex // guards errs
		errs  []error
	)
	start := func(key string, do func(context.Context) error, done func()) {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			err := do(ctx)
			if err == nil || errors.Is(err, errAwaited) {
				done()
				return
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, &OpError{Op: "delete", Key: key, Err: err})
		})
	}
	keys, chores := s.leftovers()
	for _, k := range keys {
		start(k.key, k.remove, k.release)
	}
	for _, c := range chores {
		start(c.key, c.do, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.chores, c)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *Session) leftovers() (keys []*kept, chores []*chore) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.kept {
		keys = append(keys, k)
	}
	for c := range s.chores {
		chores = append(chores, c)
	}
	return keys, chores
}
