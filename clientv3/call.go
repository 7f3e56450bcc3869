package clientv3

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
)

// effect says what it means to send a request twice.
type effect int

const (
	reads  effect = iota // twice is as good as once
	writes               // it is sent again only if it had no effect
)

// retryPolicy says how often and how soon a request is sent again.
type retryPolicy struct {
	limit  uint
	pause  time.Duration
	jitter float64
}

// caller sends requests over one connection, and sends them again.
type caller struct {
	conn      *grpc.ClientConn
	endpoints *endpointList
	token     *tokenSource // nil without credentials
	retries   retryPolicy
	options   []grpc.CallOption
	watched   *sync.Pool // of *watchedOptions
}

func newCaller(cfg *Config) caller {
	options := []grpc.CallOption{grpc.StaticMethod()}
	return caller{
		retries: cfg.retryPolicy(),
		options: options,
		watched: &sync.Pool{New: func() any { return newWatchedOptions(options) }},
	}
}

// attempt is what is known of a request that failed.
type attempt struct {
	effect   effect
	used     *token
	unsent   bool // provably: nothing of it was processed
	repeated uint
}

// call sends request to any endpoint, and again while that is safe and may help.
// The error is what the user is to see.
func (c *caller) call(ctx context.Context, method string, request, reply any, e effect) error {
	if c.conn == nil {
		return ErrNoAvailableEndpoints
	}
	a := attempt{effect: e}
	for {
		var err error
		if a.used, err = c.token.ensure(ctx); err != nil {
			return withoutEffect(e, err)
		}
		if e == reads {
			err = c.conn.Invoke(ctx, method, request, reply, c.options...)
		} else {
			a.unsent, err = c.invokeWatched(ctx, method, request, reply)
		}
		if err == nil {
			return nil
		}
		if err = c.again(ctx, &a, err); err != nil {
			return err
		}
	}
}

// again prepares the next attempt after a has failed with err, which includes a
// pause. If there must not be one, it returns what to tell the user instead.
func (c *caller) again(ctx context.Context, a *attempt, err error) error {
	err = ContextError(ctx, err)
	if a.unsent {
		err = withoutEffect(a.effect, err)
	}
	if a.repeated == c.retries.limit {
		return err
	}
	switch {
	case c.token.canRenew(err):
		if _, err = c.token.renew(ctx, a.used); err != nil {
			return withoutEffect(a.effect, err)
		}
	case !mayRepeat(err, a):
		return err
	}
	a.repeated++
	if a.repeated == 1 && c.endpoints.count() > 1 {
		return ctx.Err() // another endpoint is there
	}
	return c.retries.wait(ctx)
}

// mayRepeat is the rule which failed requests are sent again.
func mayRepeat(err error, a *attempt) bool {
	switch {
	case isRefusal(err):
		return true
	case codeOf(err) != codes.Unavailable:
		return false // an answer, and the next would be the same
	default:
		return a.effect == reads || a.unsent
	}
}

// wait takes the time between two attempts.
func (p *retryPolicy) wait(ctx context.Context) error {
	random := p.jitter * (2*rand.Float64() - 1)
	timer := time.NewTimer(time.Duration(float64(p.pause) * (1 + random)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watchedOptions are call options by which grpc-go tells where a request went.
type watchedOptions struct {
	peer    peer.Peer // set once the request had a stream
	options []grpc.CallOption
}

func newWatchedOptions(options []grpc.CallOption) *watchedOptions {
	w := new(watchedOptions)
	w.options = append(w.options, options...)
	w.options = append(w.options, grpc.Peer(&w.peer))
	return w
}

// invokeWatched sends request once. It is unsent if grpc-go found no connection
// for it. What a server did not process grpc-go sends anew by itself, once, and
// then it is that attempt which counts.
func (c *caller) invokeWatched(ctx context.Context, method string, request, reply any) (unsent bool, err error) {
	w := c.watched.Get().(*watchedOptions)
	err = c.conn.Invoke(ctx, method, request, reply, w.options...)
	unsent = w.peer.Addr == nil
	w.peer = peer.Peer{}
	c.watched.Put(w)
	return unsent, err
}

// openStream starts a stream at any endpoint with the token that is valid now,
// once. Who reads from it decides by again what to do when it fails.
func (c *caller) openStream(ctx context.Context, desc *grpc.StreamDesc, method string) (grpc.ClientStream, *token, error) {
	if c.conn == nil {
		return nil, nil, ErrNoAvailableEndpoints
	}
	used, err := c.token.ensure(ctx)
	if err != nil {
		return nil, nil, err
	}
	stream, err := c.conn.NewStream(ctx, desc, method, c.options...)
	if err != nil {
		return nil, used, ContextError(ctx, err)
	}
	return stream, used, nil
}

// send is call with a new reply, which is nil if there is an error.
func send[R any](ctx context.Context, c *caller, method string, request any, e effect) (*R, error) {
	reply := new(R)
	if err := c.call(ctx, method, request, reply, e); err != nil {
		return nil, err
	}
	return reply, nil
}
