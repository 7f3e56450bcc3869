package client

import (
	"context"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// tripKit is what a transport may ask a request's context for. One whose context
// has not been ended is as good as new.
type tripKit struct {
	ctx    context.Context // not below the caller's; ends with the trip
	cancel context.CancelCauseFunc
	guard  stallGuard

	leave       func() bool // takes leave of the caller's context; nil: it never ends
	headerTimer *time.Timer // nil: none

	hooks httptrace.ClientTrace
	all   *httptrace.ClientTrace // with those of the caller; nil: not made yet
	told  atomic.Int32           // what the hooks have told last
}

const (
	toldNothing = iota
	wantsConn
	hasConn
)

func newTripKit() *tripKit {
	kit := &tripKit{}
	kit.ctx, kit.cancel = context.WithCancelCause(context.Background())
	kit.guard.ctx, kit.guard.giveUp = kit.ctx, kit.cancel
	kit.hooks.GetConn = func(string) { kit.told.Store(wantsConn) }
	kit.hooks.GotConn = func(httptrace.GotConnInfo) { kit.told.Store(hasConn) }
	return kit
}

// disarm stops what could end the kit's context, and reports whether nothing has
// ended it or is about to.
func (kit *tripKit) disarm() bool {
	asNew := kit.guard.end()
	if kit.headerTimer != nil {
		kit.headerTimer.Stop()
	}
	if kit.leave != nil && !kit.leave() {
		asNew = false
	}
	return asNew && kit.ctx.Err() == nil
}

// tripKits keeps kits for the next trip, where the transport is known to be
// through with a context when it has given the whole of the reply.
type tripKits struct {
	reuse bool
	pool  sync.Pool
}

func (k *tripKits) get() *tripKit {
	if kit, ok := k.pool.Get().(*tripKit); ok {
		return kit
	}
	return newTripKit()
}

func (k *tripKits) put(kit *tripKit) {
	if !k.reuse {
		kit.cancel(nil)
		return
	}
	kit.leave, kit.headerTimer, kit.all = nil, nil, nil
	kit.told.Store(toldNothing)
	k.pool.Put(kit)
}

// traceKey and cancelKey are what httptrace looks hooks up by, and context a
// context that can be ended. They are not exported, and the exported way makes
// contexts, hooks and goroutines for each request, whether or not the transport
// asks. Were one not learnt, all would work, but for more goroutines and for
// what failures beyond the dial can tell.
var (
	traceKey  = learnKey(func(ctx context.Context) { httptrace.ContextClientTrace(ctx) }) //nolint:gochecknoglobals // a constant that must be asked for
	cancelKey = learnKey(func(ctx context.Context) {                                      //nolint:gochecknoglobals // as above
		_, cancel := context.WithCancel(ctx)
		cancel()
	})
)

// learnKey gives the key of the value that ask looks up.
func learnKey(ask func(context.Context)) any {
	asked := &keyRecorder{Context: context.Background(), key: &keyRecorder{}}
	ask(asked)
	return asked.key
}

// keyRecorder is a context that keeps the key of the last value asked for.
type keyRecorder struct {
	context.Context

	key any
}

// Value implements context.Context.
func (r *keyRecorder) Value(key any) any {
	r.key = key
	return nil
}

// Done implements context.Context: a context that never ended would not be asked.
func (r *keyRecorder) Done() <-chan struct{} { return make(chan struct{}) }

// AfterFunc keeps package context from waiting for the end by a goroutine.
func (r *keyRecorder) AfterFunc(func()) (stop func() bool) { return func() bool { return true } }
