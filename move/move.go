package move

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

const (
	defaultParallel  = 32
	defaultTolerance = 5 * time.Second
	// queueSize is how many changes may wait. While a snapshot is copied more come
	// than a server remembers.
	queueSize = 1 << 16
)

// Move is a move on its way. Make it with Start. It is safe for concurrent use, but
// for Switch, of which there is one at a time.
type Move struct {
	opts   Options
	source side
	target side
	mark   mark
	lanes  *lanes
	stop   context.CancelCauseFunc
	ctx    context.Context // of all that the move does
	all    sync.WaitGroup  // its goroutines
	done   chan struct{}   // closed when run has ended
	astray chan struct{}   // has something when the target was not as a change wants it
	err    error           // why; set before

	mu    sync.Mutex // guards the field below
	state state
}

// Start begins to move a directory of from to to, of which each may be any KeysAPI. A
// nil opts moves all.
//
// It returns when the target is known to be empty, or to be as an interrupted move
// from the same source has left it, and is marked. The move then goes on until
// Switch has succeeded, Close is called, ctx ends, or an error comes that will not go
// away; [Move.Err] says which:
//   - a [*StoreError], when a side refuses to be read, watched or written,
//   - a [*ConflictError], when somebody else has written to the target,
//   - one that is [client.ErrClusterIDChanged].
//
// The error of Start is ctx.Err(), a [*NotEmptyError], a [*StoreError] — a cluster
// that does not answer is not waited for yet —, or a [*client.InvalidInputError], as
// for a source that is a file, or one side that is within the other.
func Start(ctx context.Context, from, to client.KeysAPI, opts *Options) (*Move, error) {
	m, err := newMove(ctx, from, to, opts)
	if err != nil {
		return nil, err
	}
	if err := m.claim(ctx); err != nil {
		m.stop(nil)
		return nil, err
	}
	m.all.Go(m.run)
	if m.opts.Progress != nil {
		m.all.Go(m.report)
	}
	return m, nil
}

func newMove(ctx context.Context, from, to client.KeysAPI, opts *Options) (*Move, error) {
	if opts == nil {
		opts = &Options{}
	}
	m := &Move{opts: *opts, done: make(chan struct{}), astray: make(chan struct{}, 1), state: newState()}
	switch {
	case ctx == nil:
		return nil, isNil("context")
	case from == nil:
		return nil, isNil("source")
	case to == nil:
		return nil, isNil("target")
	case opts.Parallel < 0:
		return nil, &client.InvalidInputError{Field: "Parallel", Reason: "it is negative"}
	case opts.TTLTolerance < 0:
		return nil, &client.InvalidInputError{Field: "TTLTolerance", Reason: "it is negative"}
	}
	m.opts.TTLTolerance = cmp.Or(opts.TTLTolerance, defaultTolerance)
	var err error
	if m.opts.From, err = keypath.Clean("From", opts.From); err != nil {
		return nil, err
	}
	if m.opts.To, err = keypath.Clean("To", cmp.Or(opts.To, m.opts.From)); err != nil {
		return nil, err
	}
	for _, path := range opts.Hidden {
		key, err := keypath.Clean("Hidden", path)
		if err == nil && (!keypath.IsWithin(key, m.opts.From) || !m.noteHidden(key)) {
			err = &client.InvalidInputError{Field: "Hidden", Value: path, Reason: `no element of it below From begins with "_"`}
		}
		if err != nil {
			return nil, err
		}
	}
	own, stop := context.WithCancelCause(ctx)
	m.ctx, m.stop = own, stop
	m.source = side{name: "source", kapi: from, root: m.opts.From, retry: opts.Retry}
	m.target = side{name: "target", kapi: to, root: m.opts.To, retry: opts.Retry}
	m.lanes = newLanes(own, cmp.Or(opts.Parallel, defaultParallel))
	return m, nil
}

// Close ends the move, and waits until its goroutines have ended and nothing of it is
// on its way. Unless Switch has succeeded, the target stays as it is, and another
// Start goes on from there. To call it more than once does no harm.
func (m *Move) Close() {
	m.stop(ErrClosed)
	m.all.Wait()
}

// Done is closed when the move has ended, for the reason that Err gives.
func (m *Move) Done() <-chan struct{} { return m.done }

// Err says why the move has ended: [ErrClosed], also after a Switch that succeeded,
// or an error that [Start] names. While the move goes on, it is nil.
func (m *Move) Err() error {
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}

// nearly is how far behind a target may be that has caught up.
const nearly = time.Second

// CaughtUp waits until the snapshot has been copied, and changes are applied within a
// second. The error is ctx.Err(), or that of Err.
func (m *Move) CaughtUp(ctx context.Context) error {
	return m.until(ctx, m.hasCaughtUp)
}

// pollInterval is how often a state of the move is looked at.
const pollInterval = 20 * time.Millisecond

// until waits for a state of the move.
func (m *Move) until(ctx context.Context, ok func() bool) error {
	if ctx == nil {
		return isNil("context")
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for m.Err() == nil {
		if ok() {
			return nil
		}
		select {
		case <-tick.C:
		case <-m.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return m.Err()
}

func (m *Move) hasCaughtUp() bool {
	p := m.Progress()
	return p.Phase == PhaseFollow && (p.Pending == 0 || p.Behind < nearly)
}

// run moves until there is a reason to end.
func (m *Move) run() {
	defer close(m.done)
	var helpers sync.WaitGroup
	err := errAstray
	for errors.Is(err, errAstray) {
		err = m.follow(&helpers)
	}
	m.stop(err)
	helpers.Wait()
	_ = m.lanes.wait() //nolint:errcheck // that is err, or came after it
	if m.err = err; isContext(err) {
		m.err = context.Cause(m.ctx)
	}
}
