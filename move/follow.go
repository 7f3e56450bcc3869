package move

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// errAstray is why a snapshot is copied though no history was lost: the target had
// not the directories and files that a change is for.
var errAstray = errors.New("move: the target is not what the change is for")

// A change is an event of the source.
type change struct {
	*client.Event
	at time.Time // when it was read
}

// follow copies a snapshot and applies what comes after it.
func (m *Move) follow(helpers *sync.WaitGroup) error {
	ctx, cancel := context.WithCancel(m.ctx)
	changes := make(chan change, queueSize)
	var failed error // why there are no more changes; set before they end
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(changes)
		failed = m.read(ctx, changes)
	})
	defer func() {
		cancel()
		reading.Wait()
		m.change(func(s *state) { s.Pending = 0 })
	}()
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				return failed
			}
			if err := m.take(c, helpers); err != nil {
				return err
			}
		case <-m.astray:
			return errAstray
		case <-m.lanes.failed:
			return m.lanes.wait()
		}
	}
}

// read reads changes ahead of who applies them.
func (m *Move) read(ctx context.Context, changes chan<- change) error {
	events := client.Events(ctx, m.source.kapi, m.source.root, &client.EventsOptions{Recursive: true, Snapshot: true, Retry: m.watchFailed})
	for event, err := range events {
		switch {
		case isContext(err):
			return err
		case err != nil:
			return m.source.named("watch", m.source.root, err)
		}
		m.change(func(s *state) {
			s.Pending++
			s.mostPending = max(s.mostPending, s.Pending)
		})
		select {
		case changes <- change{Event: event, at: time.Now()}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// watchFailed tells of a failure to watch the source: changes may come late.
func (m *Move) watchFailed(err error) {
	m.change(func(s *state) { s.lastNews = time.Now() })
	if m.opts.Retry != nil {
		m.opts.Retry(m.source.named("watch", m.source.root, err))
	}
}

// take applies a change, or begins to.
func (m *Move) take(c change, helpers *sync.WaitGroup) error {
	var err error
	isFirst := false
	if c.Kind == client.EventResync {
		isFirst = m.beginCopy(count(c.Node))
		err = m.copySnapshot(c)
	} else {
		err = m.apply(c)
	}
	if err != nil {
		return err
	}
	m.change(func(s *state) {
		s.Pending--
		s.Index = c.Index
		if c.Kind == client.EventResync {
			s.Phase, s.Behind = PhaseFollow, time.Since(c.at)
		} else {
			s.noteApplied(c)
		}
	})
	if isFirst {
		helpers.Go(m.keepTTLs)
		if !m.opts.SkipHidden {
			helpers.Go(m.followHidden)
		}
	}
	return nil
}

// beginCopy reports whether it is the first one.
func (m *Move) beginCopy(nodes int64) (isFirst bool) {
	m.change(func(s *state) {
		if isFirst = !s.begun; !isFirst {
			s.Resyncs++
		}
		s.begun, s.Phase, s.Total, s.Copied = true, PhaseCopy, nodes, 0
	})
	return isFirst
}

// copySnapshot brings the target to what the snapshot has.
func (m *Move) copySnapshot(c change) error {
	if err := m.lanes.wait(); err != nil {
		return err
	}
	if c.Node != nil && !c.Node.Dir {
		return &client.InvalidInputError{Field: "From", Value: m.source.root, Reason: "it is a file, and no directory"}
	}
	there, _, err := m.target.get(m.ctx, m.target.root, true)
	if err != nil {
		return err
	}
	all := pair{key: m.source.root, src: c.Node, dst: there}
	err = walkBelow(all, func(p pair) error { return m.bring(p, c.at) })
	if err == nil {
		err = m.bringHidden()
	}
	if err != nil {
		return err
	}
	return m.lanes.wait()
}
