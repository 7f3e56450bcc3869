package clientv3

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
)

const (
	firstReopenPause = 25 * time.Millisecond
	maxReopenPause   = 2 * time.Second
)

// stream is one call of a streaming method.
type stream[Request, Response any] struct {
	grpc.GenericClientStream[Request, Response]
	ctx    context.Context // ends with cancel
	cancel context.CancelFunc
	token  *token // it was opened with
	peer   string // the address of the endpoint that serves it
}

// openStreamElsewhere opens a stream at an endpoint that is none of avoid, if there
// is one. The balancer takes the endpoints in turn and can't be told which one to
// leave out, so a stream at the wrong one is given up and the next one tried.
func openStreamElsewhere[Request, Response any](ctx context.Context, c *Client, service *grpc.ServiceDesc, method string, avoid shunned) (*stream[Request, Response], error) {
	for tries := 2 * (len(c.Endpoints()) - 1); ; tries-- {
		s, err := openStream[Request, Response](ctx, c, service, method)
		if err != nil || tries <= 0 || !slices.Contains(avoid, s.peer) {
			return s, err
		}
		s.cancel()
	}
}

func openStream[Request, Response any](ctx context.Context, c *Client, service *grpc.ServiceDesc, method string) (*stream[Request, Response], error) {
	ctx, cancel := context.WithCancel(ctx)
	raw, used, err := c.openStream(ctx, &service.Streams[0], method)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &stream[Request, Response]{ctx: ctx, cancel: cancel, token: used}
	s.ClientStream = raw
	if p, ok := peer.FromContext(raw.Context()); ok { //nolint:contextcheck // only grpc-go's own context knows
		s.peer = p.Addr.String()
	}
	return s, nil
}

// shunned are the endpoints that failed since one last answered.
type shunned []string

// add begins anew when all of the endpoints have failed.
func (s *shunned) add(peer string, endpoints int) {
	if slices.Contains(*s, peer) || len(*s) >= endpoints-1 {
		*s = (*s)[:0]
	}
	*s = append(*s, peer)
}

// isPassing tells if a stream that ended with err is worth opening again.
func isPassing(err error) bool {
	switch codeOf(err) {
	case codes.Unavailable, codes.Internal, codes.Unknown, codes.Aborted, codes.Canceled, codes.DeadlineExceeded:
		return true // The code of io.EOF is Unknown.
	}
	return false
}

// reopenPause is the time between two streams, which grows while they fail.
type reopenPause struct{ next time.Duration }

func (p *reopenPause) reset() { p.next = 0 }

// wait ends early with ctx.
func (p *reopenPause) wait(ctx context.Context) {
	p.next = min(max(2*p.next, firstReopenPause), maxReopenPause)
	timer := time.NewTimer(p.next/2 + rand.N(p.next/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
