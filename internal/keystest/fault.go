package keystest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// Operations, as [Request] has them. Create and Update are OpSet.
const (
	OpGet           = "get"
	OpSet           = "set"
	OpDelete        = "delete"
	OpCreateInOrder = "createInOrder"
	OpWatch         = "watch" // a call of Watcher.Next
)

// Request is what a [Store] was asked for.
type Request struct {
	Op     string // OpGet, OpSet …
	Key    string // clean, beginning with a slash
	Value  string
	TTL    time.Duration
	Quorum bool
	Caller string // by [As]; empty: nobody said
}

// Fault is what becomes of a request. The zero value is none.
type Fault struct {
	Kind FaultKind

	// Delay is how long a write with ArrivesLate, or with Hangs, is on its way.
	Delay time.Duration
}

// FaultKind is a kind of [Fault]. "Fails" means with a [*client.ClusterError]. To
// reads and watches all kinds that fail are one.
type FaultKind int

const (
	// None carries the request out and answers it.
	None FaultKind = iota
	// AnswerLost carries it out, and fails with [client.ErrOutcomeUnknown].
	AnswerLost
	// NeverArrives fails with [client.ErrOutcomeUnknown] and nothing else.
	NeverArrives
	// ArrivesLate fails with [client.ErrOutcomeUnknown], and carries it out after
	// Delay, if it can be carried out then.
	ArrivesLate
	// Hangs carries it out after Delay, and does not answer until the context
	// ends, which is then the error.
	Hangs
	// HangsUnsent does not answer either, and does nothing else.
	HangsUnsent
	// NotSent fails with an error that says that nothing was sent.
	NotSent
)

type callerKey struct{}

// As names the caller of what is done with the context, for [Store.CutOff] and
// [Request].
func As(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, callerKey{}, name)
}

// CutOff makes every request of a caller HangsUnsent or NotSent, whatever
// [Store.Fault] says, and keeps events from its watches that wait, until
// [Store.Reconnect]. NotSent ends those watches. It panics for other kinds.
func (s *Store) CutOff(caller string, kind FaultKind) {
	if kind != HangsUnsent && kind != NotSent {
		panic("keystest: CutOff takes HangsUnsent or NotSent")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cuts[caller] = kind
	s.remakePolls(caller)
}

// Reconnect ends what [Store.CutOff] began. Watches that waited get what they
// missed; other requests that hang go on hanging until their contexts end.
func (s *Store) Reconnect(caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cuts, caller)
	s.remakePolls(caller)
}

func (s *Store) remakePolls(caller string) {
	for wt := range s.waiting {
		if wt.caller == caller {
			wt.deaf, wt.over = true, true
			wt.rouse()
		}
	}
}

// Wait returns when every write that is on its way has arrived. More may begin
// meanwhile; they are waited for as long as others are on their way.
func (s *Store) Wait() { s.late.wait() }

// admit counts a request and gives its fault.
func (s *Store) admit(ctx context.Context, r Request) (Request, Fault, error) {
	if ctx == nil {
		return r, Fault{}, &client.InvalidInputError{Field: "context", Reason: "it is nil"}
	}
	r.Caller, _ = ctx.Value(callerKey{}).(string)
	s.mu.Lock()
	s.requests[r.Op]++
	if r.Quorum {
		s.quorumGets++
	}
	s.mu.Unlock()
	if s.Before != nil {
		s.Before(r)
	}
	var fault Fault
	if s.Fault != nil {
		fault = s.Fault(r)
	}
	return r, fault, ctx.Err()
}

// carry carries a request other than a watch out, as its fault says.
func (s *Store) carry(ctx context.Context, r Request, do func() (*client.Response, error)) (*client.Response, error) {
	r, fault, err := s.admit(ctx, r)
	if err != nil {
		return nil, err
	}
	arrive := func() (*client.Response, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.expire()
		return do()
	}
	unseen := func() { _, _ = arrive() } //nolint:errcheck // nobody gets the answer
	s.mu.Lock()
	if kind, isCut := s.cuts[r.Caller]; isCut {
		fault = Fault{Kind: kind}
	}
	s.mu.Unlock()
	switch fault.Kind {
	case None:
		return arrive()
	case NotSent:
		return nil, broken(false)
	case AnswerLost:
		unseen()
	case ArrivesLate:
		s.after(fault.Delay, unseen)
	case Hangs:
		s.after(fault.Delay, unseen)
		fallthrough
	case HangsUnsent:
		<-ctx.Done()
		return nil, ctx.Err()
	case NeverArrives:
	}
	return nil, broken(r.Op != OpGet)
}

func (s *Store) after(d time.Duration, do func()) {
	if d <= 0 {
		do()
		return
	}
	s.late.begin()
	time.AfterFunc(d, func() {
		defer s.late.end()
		do()
	})
}

// arrivals counts writes that are on their way. It is a WaitGroup that may be
// waited for while more of them begin.
type arrivals struct {
	mu   sync.Mutex // guards the fields below
	n    int
	none chan struct{} // closed when n is 0 again; nil while it is
}

func (a *arrivals) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n++; a.n == 1 {
		a.none = make(chan struct{})
	}
}

func (a *arrivals) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n--; a.n == 0 {
		close(a.none)
		a.none = nil
	}
}

func (a *arrivals) wait() {
	a.mu.Lock()
	none := a.none
	a.mu.Unlock()
	if none != nil {
		<-none
	}
}

// broken is what a client says when no endpoint has answered.
func broken(unknown bool) error {
	err := errors.New("keystest: connection refused")
	if unknown {
		err = errors.New("keystest: the connection broke")
	}
	return &client.ClusterError{
		Errors: []error{err}, Attempts: []client.Attempt{{Endpoint: "http://keystest", Sent: unknown, Err: err}}, OutcomeUnknown: unknown,
	}
}
