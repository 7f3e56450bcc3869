package client

import (
	"context"
	"errors"
	"sync"
)

const (
	// denseRun is how many events of the history must have come one behind the
	// other before several are asked for at a time.
	denseRun = 8
	// mostAtATime is how many long polls ask at a time.
	mostAtATime = 8
)

// errAtHead is why a poll that is for the history only ends when it has come to
// the end of that.
var errAtHead = errors.New("client: the history has ended")

// historyPoll is a poll for an event of the history, and not for one to come.
type historyPoll struct {
	*poll
}

func (h *historyPoll) begins(r *reply) error {
	if err := h.poll.begins(r); err != nil {
		return err
	}
	if isSuccess(r.status) && h.isCaughtUp() {
		return errAtHead
	}
	return nil
}

func (h *historyPoll) excuses(r *reply, sent bool, err error) (excused, elsewhere bool) {
	if errors.Is(err, errAtHead) {
		h.accepted = true
		return true, false
	}
	return h.poll.excuses(r, sent, err)
}

// catchUp asks for the next events of the history, several at a time while they
// are close together: one after the other would be no faster than a busy store
// writes them. A poll gives the first event at or behind its index, so that those
// of consecutive indexes, in their order, leave nothing out.
func (s *pollSource) catchUp(ctx context.Context, take func(*Response) bool) error {
	// A poll at the head must end by its header, or it waits for what is to come.
	_, own := s.client.(*httpClusterClient)
	if s.dense < denseRun || !own || s.heldBack {
		before := s.poll.next
		err := s.request(ctx, false, take)
		s.note(before)
		return err
	}
	const n = mostAtATime - 1
	var (
		polls  [n]poll
		events [n]*Response
		errs   [n]error
		all    sync.WaitGroup
	)
	before := s.poll.next
	for i := range polls {
		p := &polls[i]
		*p = *s.poll
		p.stream = false
		p.next += uint64(i) + 1
		all.Go(func() { events[i], errs[i] = p.once(ctx, s.client, &historyPoll{p}) })
	}
	err := s.request(ctx, false, take)
	s.note(before)
	all.Wait()
	for i := 0; i < len(polls) && err == nil && s.dense > 0; i++ {
		if errs[i] != nil || events[i] == nil {
			break // that is for the poll of the next turn to find out
		}
		before = s.poll.next
		if event := s.poll.pass(events[i]); event != nil {
			take(event)
		}
		s.poll.index = polls[i].index
		s.note(before)
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// note counts how many events have come one behind the other.
func (s *pollSource) note(before uint64) {
	switch {
	case s.poll.isCaughtUp() || s.poll.next != before+1:
		s.dense = 0
	default:
		s.dense++
	}
}
