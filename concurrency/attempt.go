package concurrency

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/coreos/etcd/client"
)

// keysCall is one call of the KeysAPI.
type keysCall func(context.Context) (*client.Response, error)

// attempt makes a call and waits for an eighth of the TTL at most, so that one member
// that does not answer leaves time for others. A write that fails with anything
// but a refusal may have been applied.
func (s *Session) attempt(ctx context.Context, call keysCall) (*client.Response, error) {
	limited, cancel := context.WithTimeout(ctx, s.callTimeout())
	defer cancel()
	resp, err := call(limited)
	switch {
	case err != nil && isContextError(err) && ctx.Err() == nil:
		return nil, errNoAnswer
	case err != nil && isContextError(err):
		return nil, context.Cause(ctx)
	case err == nil && (resp == nil || resp.Node == nil):
		return nil, errNoNode
	}
	return resp, err
}

// untilAnswered makes a call that may be repeated until it succeeds, is refused
// for good, or ctx ends; the error is then that of the last attempt.
func (s *Session) untilAnswered(ctx context.Context, call keysCall) (*client.Response, error) {
	var p pause
	for {
		resp, err := s.attempt(ctx, call)
		if err == nil || isFinal(err) || !p.wait(ctx) {
			return resp, err
		}
	}
}

// remove deletes a file until it is proven to be gone, or ctx ends. A value, where
// it is not empty, must be what the file has: for names that are used again. For
// others it may be empty, as to repeat such a Delete can't harm anybody.
func (s *Session) remove(ctx context.Context, key, value string) error {
	_, err := s.untilAnswered(ctx, func(ctx context.Context) (*client.Response, error) {
		return s.kapi.Delete(ctx, key, &client.DeleteOptions{PrevValue: value})
	})
	if isGone(err) {
		return nil
	}
	return err
}

// pause is the time between attempts: it grows to a second, and is random by half
// so that programs do not meet again.
type pause struct{ longest time.Duration }

const (
	firstPause = 10 * time.Millisecond
	lastPause  = time.Second
)

// wait is false when ctx has ended.
func (p *pause) wait(ctx context.Context) bool {
	p.longest = min(max(2*p.longest, firstPause), lastPause)
	half := p.longest / 2
	timer := time.NewTimer(half + rand.N(half+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// cleanKey gives a key with one slash before each element, and "" for the root.
func cleanKey(key string) string {
	var b strings.Builder
	for element := range strings.SplitSeq(key, "/") {
		if element != "" {
			b.WriteString("/" + element)
		}
	}
	return b.String()
}
