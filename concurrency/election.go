package concurrency

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/coreos/etcd/client"
)

// Election makes one of all who campaign with its prefix the leader, who may
// proclaim a value. Make it with [NewElection]. It is safe for concurrent use.
type Election struct {
	line line
	gate chan struct{} // held by who campaigns or proclaims

	mu      sync.Mutex // guards the fields below
	held    *leadership
	leaving *entry // resigned, and not yet proven to be deleted
}

// leadership is an entry that has come to the head of its line.
type leadership struct {
	*entry

	// Of who holds the gate.
	value string // what the key is believed to have
	turn  uint64 // how many values there were, so that none ever comes back
}

// NewElection makes an Election of the directory pfx, which it has for itself. It
// sends nothing.
func NewElection(s *Session, pfx string) *Election {
	return &Election{line: newLine(s, pfx), gate: make(chan struct{}, 1)}
}

// ResumeElection makes an Election that is the leader already, by a key of a session
// that is no longer: one that was given up by Orphan, or whose process has come
// back before the TTL was over. leaderKey and leaderRev are what [Election.Key] and
// [Election.Rev] were. The key belongs to s from then on; no other session may
// renew it any more.
//
// The error is [ErrElectionNotLeader] when the key is gone or not the leader's, and
// otherwise one that [Election.Campaign] names.
func ResumeElection(ctx context.Context, s *Session, pfx, leaderKey string, leaderRev uint64) (*Election, error) {
	e := NewElection(s, pfx)
	if err := e.line.check(ctx); err != nil {
		return nil, err
	}
	bound, release := s.bind(ctx)
	defer release()
	nodes, _, err := e.line.list(bound)
	if err != nil {
		return nil, s.explain(ctx, "resume election", e.line.dir, err)
	}
	if len(nodes) == 0 || nodes[0].CreatedIndex != leaderRev || e.line.keyOf(nodes[0]) != cleanKey(leaderKey) {
		return nil, ErrElectionNotLeader
	}
	head := nodes[0]
	mark, turn, _ := parseValue(head.Value)
	own := e.line.newEntry(mark)
	switch err := own.settle(bound, nodes[:1]); {
	case errors.Is(err, errVanished):
		return nil, ErrElectionNotLeader
	case err != nil:
		return nil, s.explain(ctx, "resume election", e.line.dir, err)
	}
	e.held = &leadership{entry: own, value: head.Value, turn: turn}
	return e, nil
}

// Campaign waits until it is the leader, with val as its value, and stays it until
// Resign, or until the session ends: watch its Done. Who came first is the leader
// first. val is valid UTF-8.
//
// If this Election is the leader already, Campaign is [Election.Proclaim], unless
// val is what was proclaimed last. While another Campaign of it is under way, it
// waits for that to end. To withdraw from a campaign, end its context.
//
// The errors are those of [Mutex.Lock], without ErrLocked, with an [*OpError] of a
// [*client.InvalidInputError] for a bad val.
func (e *Election) Campaign(ctx context.Context, val string) error {
	if err := e.line.check(ctx); err != nil {
		return err
	}
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.exit()
	if held := e.leads(); held != nil {
		if _, _, last := parseValue(held.value); last == val {
			return nil
		}
		return e.proclaim(ctx, held, val)
	}
	payload := formatPayload(0, val)
	own, err := e.line.acquire(ctx, "campaign", payload)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held, e.leaving = &leadership{entry: own, value: own.mark + payload}, nil
	return nil
}

// enter takes the gate.
func (e *Election) enter(ctx context.Context) error {
	select {
	case e.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.line.s.Done():
		return e.line.s.endedBy()
	}
}

func (e *Election) exit() { <-e.gate }

// leads gives the leadership, nil if there is none.
func (e *Election) leads() *leadership {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.held
}

// Proclaim makes val the leader's value without a new election. It is stored on
// condition that the key still has the value before, and is asked for until it is
// known to be there.
//
// The error is [ErrElectionNotLeader] when this Election is not the leader, and also
// a [*SessionError] when that is because the session has ended. When ctx ends it
// is ctx.Err(); val may then have been proclaimed, or be so until the next
// Proclaim. When the server refuses, it is an [*OpError].
func (e *Election) Proclaim(ctx context.Context, val string) error {
	if err := e.line.check(ctx); err != nil {
		return e.asNotLeader(err)
	}
	if e.leads() == nil {
		return ErrElectionNotLeader // also while a Campaign has the gate
	}
	if err := e.enter(ctx); err != nil {
		return e.asNotLeader(err)
	}
	defer e.exit()
	held := e.leads()
	if held == nil {
		return ErrElectionNotLeader
	}
	return e.asNotLeader(e.proclaim(ctx, held, val))
}

// asNotLeader says of the end of the session what it means.
func (e *Election) asNotLeader(err error) error {
	if err != nil && e.line.s != nil && e.line.s.ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrElectionNotLeader, err)
	}
	return err
}

func (e *Election) proclaim(ctx context.Context, held *leadership, val string) error {
	bound, release := e.line.s.bind(ctx)
	defer release()
	held.turn++
	return e.line.s.explain(ctx, "proclaim", held.key, held.swap(bound, held.mark+formatPayload(held.turn, val)))
}

// swap gives the key its next value. It may be sent again, as may any value before
// whose outcome was left open: each is conditional on a value that, once it is
// over, does not come back.
func (l *leadership) swap(ctx context.Context, next string) error {
	s := l.line.s
	var p pause
	for {
		_, err := s.attempt(ctx, func(ctx context.Context) (*client.Response, error) {
			return s.kapi.Set(ctx, l.key, next, &client.SetOptions{PrevValue: l.value, TTL: s.ttl})
		})
		switch {
		case err == nil:
			l.value = next
			return nil
		case isFinal(err) && !isGone(err):
			return err
		}
		if err := l.readBack(ctx); err != nil || l.value == next {
			return err
		}
		if !p.wait(ctx) {
			return context.Cause(ctx)
		}
	}
}

// readBack reads the value with a quorum.
func (l *leadership) readBack(ctx context.Context) error {
	s := l.line.s
	now, err := s.untilAnswered(ctx, func(ctx context.Context) (*client.Response, error) {
		return s.kapi.Get(ctx, l.key, &client.GetOptions{Quorum: true})
	})
	switch {
	case isGone(err), err == nil && !l.owns(now.Node):
		l.kept.lost(err)
		return s.Err()
	case err == nil:
		l.value = now.Node.Value
	}
	return err
}

// Resign gives the leadership up, and returns when that is proven. Without it, or
// when it is called again, it does nothing. It does not end a Campaign that is under
// way. Its errors are those of [Mutex.Unlock], without ErrLockReleased.
func (e *Election) Resign(ctx context.Context) error {
	if ctx == nil {
		return e.line.check(ctx)
	}
	own := e.giveUp()
	if own == nil {
		return nil
	}
	if err := own.leave(ctx); err != nil {
		own.handOver()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &OpError{Op: "resign", Key: own.key, Err: err}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leaving == own {
		e.leaving = nil
	}
	return nil
}

// giveUp gives the entry to delete, nil if there is none.
func (e *Election) giveUp() *entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != nil {
		e.held, e.leaving = nil, e.held.entry
	}
	return e.leaving
}

// Key is the leader's key, empty when this Election is not the leader.
func (e *Election) Key() string {
	if held := e.leads(); held != nil && e.line.s.Err() == nil {
		return held.key
	}
	return ""
}

// Rev is the CreatedIndex of [Election.Key]: greater for each later leader, so that
// it serves as [Mutex.Fence] does. It is 0 when this Election is not the leader, or
// the session has ended.
func (e *Election) Rev() uint64 {
	if held := e.leads(); held != nil && e.line.s.Err() == nil {
		return held.created
	}
	return 0
}

// formatPayload gives what follows the mark in a value.
func formatPayload(turn uint64, val string) string {
	return strconv.FormatUint(turn, 10) + markEnd + val
}

// parseValue takes a value apart. One that somebody has written by other means is
// all what was proclaimed.
func parseValue(value string) (mark string, turn uint64, val string) {
	nonce, payload, marked := strings.Cut(value, markEnd)
	number, val, numbered := strings.Cut(payload, markEnd)
	turn, err := strconv.ParseUint(number, 10, 64)
	if !marked || !numbered || err != nil {
		return value, 0, value
	}
	return nonce + markEnd, turn, val
}
