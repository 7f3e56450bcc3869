package clientv3_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/clientv3"
)

const retries = 3

// kvCall is a call of KV and whether it changes anything.
type kvCall struct {
	name   string
	writes bool
	do     func(ctx context.Context, c *clientv3.Client) error
}

func kvCalls() []kvCall {
	get, put := clientv3.OpGet("k"), clientv3.OpPut("k", "v")
	txn := func(ops ...clientv3.Op) func(context.Context, *clientv3.Client) error {
		return func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Txn(ctx).Else(ops...).Commit()
			return err
		}
	}
	return []kvCall{
		{"get", false, func(ctx context.Context, c *clientv3.Client) error { _, err := c.Get(ctx, "k"); return err }},
		{"put", true, func(ctx context.Context, c *clientv3.Client) error { _, err := c.Put(ctx, "k", "v"); return err }},
		{"delete", true, func(ctx context.Context, c *clientv3.Client) error { _, err := c.Delete(ctx, "k"); return err }},
		{"txn of nothing", false, txn()},
		{"txn of a get", false, txn(get)},
		{"txn of a put", true, txn(get, put)},
		{"txn of a txn of a get", false, txn(clientv3.OpTxn(nil, []clientv3.Op{get}, nil))},
		{"txn of a txn of a put", true, txn(get, clientv3.OpTxn(nil, nil, []clientv3.Op{put}))},
	}
}

// answered is an error that a member answers with, and what comes of it.
type answered struct {
	name        string
	err         error
	readsAgain  bool
	writesAgain bool
}

func answers() []answered {
	list := []answered{
		{"no leader", rpctypes.ErrGRPCNoLeader, true, true},
		{"learner", rpctypes.ErrGRPCNotSupportedForLearner, true, true},
		{"learner of etcd 3.4", status.Error(codes.Unavailable, "etcdserver: rpc not supported for learner"), true, true},
		{"leader changed", rpctypes.ErrGRPCLeaderChanged, true, false},
		{"server stopped", rpctypes.ErrGRPCStopped, true, false},
		{"timeout", rpctypes.ErrGRPCTimeout, true, false},
		{"too many requests", rpctypes.ErrGRPCRequestTooManyRequests, false, false},
		{"token without credentials", rpctypes.ErrGRPCInvalidAuthToken, false, false},
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		list = append(list, answered{code.String(), status.Error(code, "as you like it"), code == codes.Unavailable, false})
	}
	return list
}

// TestRepeatsAfterAnswers drives reads and writes through each error that a
// member may answer with.
func TestRepeatsAfterAnswers(t *testing.T) {
	m := serve(t, nil)
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, MaxUnaryRetries: retries})
	for _, a := range answers() {
		for _, call := range kvCalls() {
			t.Run(a.name+"/"+call.name, func(t *testing.T) {
				m.mu.Lock()
				m.answer, m.requests = answerError(a.err), nil
				m.mu.Unlock()
				err := call.do(t.Context(), c) // without a deadline, which could be the error
				if rpctypes.ErrorDesc(err) != rpctypes.ErrorDesc(a.err) {
					t.Errorf("got error %v", err)
				}
				want := 1
				if call.writes && a.writesAgain || !call.writes && a.readsAgain {
					want += retries
				}
				if got := len(m.got()); got != want {
					t.Errorf("sent %d times, not %d", got, want)
				}
			})
		}
	}
}

// TestRepeatsWhatWasNotSent has no connection at first: then writes are
// repeated too, and arrive once.
func TestRepeatsWhatWasNotSent(t *testing.T) {
	for _, call := range kvCalls() {
		t.Run(call.name, func(t *testing.T) {
			m := serve(t, answerEmpty)
			var refusals atomic.Int32
			dial := func(ctx context.Context, address string) (net.Conn, error) {
				if refusals.Add(1) <= 2 {
					return nil, errors.New("no road")
				}
				return new(net.Dialer).DialContext(ctx, "tcp", address)
			}
			c := connect(t, clientv3.Config{
				Endpoints:       []string{m.addr},
				MaxUnaryRetries: 100_000,
				DialOptions:     []grpc.DialOption{grpc.WithContextDialer(dial)},
			})
			if err := call.do(soon(t), c); err != nil {
				t.Fatal(err)
			}
			if got := len(m.got()); got != 1 {
				t.Errorf("arrived %d times", got)
			}
		})
	}
}

// TestHadNoEffect has calls fail in the ways that there are.
func TestHadNoEffect(t *testing.T) {
	at := func(address string, cfg clientv3.Config) *clientv3.Client {
		cfg.Endpoints, cfg.MaxUnaryRetries = []string{address}, retries
		return connect(t, cfg)
	}
	failing := func(err error) *clientv3.Client { return at(serve(t, answerError(err)).addr, clientv3.Config{}) }
	for _, test := range []struct {
		name string
		c    *clientv3.Client
		want bool
		code codes.Code
	}{
		{"nobody is there", at(refusing(t), clientv3.Config{}), true, codes.Unavailable},
		{"nobody gives a token", at(refusing(t), clientv3.Config{Username: "joe", Password: "secret"}), true, codes.Unavailable},
		{"too large", at(serve(t, answerEmpty).addr, clientv3.Config{MaxCallSendMsgSize: 1}), false, codes.ResourceExhausted},
		{"no leader", failing(rpctypes.ErrGRPCNoLeader), true, codes.Unavailable},
		{"timeout", failing(rpctypes.ErrGRPCTimeout), false, codes.Unavailable},
		{"broken", failing(status.Error(codes.Unavailable, "broken")), false, codes.Unavailable},
		{"refused", failing(rpctypes.ErrGRPCPermissionDenied), false, codes.PermissionDenied},
	} {
		_, err := test.c.Put(t.Context(), "k", "v")
		var coded interface{ Code() codes.Code } // an error of etcd
		code := status.Code(err)
		if errors.As(err, &coded) {
			code = coded.Code()
		}
		if clientv3.HadNoEffect(err) != test.want || code != test.code {
			t.Errorf("%s: HadNoEffect(%v) is not %v, or the code %v not %v", test.name, err, test.want, code, test.code)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := at(refusing(t), clientv3.Config{}).Put(ctx, "k", "v")
	if err != context.DeadlineExceeded || clientv3.HadNoEffect(err) { //nolint:errorlint // it is promised to be bare
		t.Errorf("a context that ends: %v", err)
	}
}

// TestRepeatsAfterLostAnswers breaks the connection once a request has arrived:
// reads are repeated, of writes nobody knows.
func TestRepeatsAfterLostAnswers(t *testing.T) {
	for _, call := range kvCalls() {
		t.Run(call.name, func(t *testing.T) {
			sockets := &socketListener{}
			var lost atomic.Bool
			m := serveOn(t, sockets.listen(t), func(ctx context.Context, message any) (any, error) {
				if lost.CompareAndSwap(false, true) {
					sockets.breakAll()
					<-ctx.Done()
				}
				return answerEmpty(ctx, message)
			})
			c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, MaxUnaryRetries: 100_000})
			err := call.do(soon(t), c)
			want := 2
			if call.writes {
				want = 1
				if status.Code(err) != codes.Unavailable {
					t.Errorf("got error %v", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if got := len(m.got()); got != want {
				t.Errorf("arrived %d times, not %d", got, want)
			}
		})
	}
}

// TestReadsGoOnElsewhere has one member that serves and two that do not.
func TestReadsGoOnElsewhere(t *testing.T) {
	good := serve(t, answerEmpty)
	endpoints := []string{good.addr}
	for _, err := range []error{rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCTimeout} {
		endpoints = append(endpoints, serve(t, answerError(err)).addr)
	}
	c := connect(t, clientv3.Config{Endpoints: endpoints, DialTimeout: patience})
	for range 30 {
		if _, err := c.Get(soon(t), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if got := count[*pb.RangeRequest](good); got != 30 {
		t.Errorf("served %d gets of 30", got)
	}
}

func TestContextEndsCalls(t *testing.T) {
	for _, call := range kvCalls() {
		t.Run(call.name, func(t *testing.T) {
			arrived := make(chan struct{}, 1)
			m := serve(t, func(ctx context.Context, _ any) (any, error) {
				arrived <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			})
			c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-arrived; cancel() }()
			if err := call.do(ctx, c); err != context.Canceled { //nolint:errorlint // it is promised to be bare
				t.Errorf("canceled: %v", err)
			}
			ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if err := call.do(ctx, c); err != context.DeadlineExceeded { //nolint:errorlint // it is promised to be bare
				t.Errorf("too late: %v", err)
			}
		})
	}
}

// TestContextEndsPauses has nobody to talk to, so that a call is all pauses.
func TestContextEndsPauses(t *testing.T) {
	c := connect(t, clientv3.Config{
		Endpoints:          []string{refusing(t)},
		BackoffWaitBetween: time.Hour,
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := c.Put(ctx, "k", "v"); err != context.Canceled { //nolint:errorlint // it is promised to be bare
		t.Errorf("got error %v", err)
	}
}

// TestServerIsFirstToSeeTheDeadline has a server that says so before the client
// knows.
func TestServerIsFirstToSeeTheDeadline(t *testing.T) {
	m := serve(t, answerError(rpctypes.ErrGRPCDeadlineExceeded))
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
	if _, err := c.Get(soon(t), "k"); err != context.DeadlineExceeded { //nolint:errorlint // it is promised to be bare
		t.Errorf("with a deadline: %v", err)
	}
	if _, err := c.Get(t.Context(), "k"); codes.DeadlineExceeded != status.Code(err) {
		t.Errorf("without a deadline: %v", err)
	}
}

func TestEtcdsErrorsAreComparable(t *testing.T) {
	m := serve(t, answerError(rpctypes.ErrGRPCCompacted))
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
	_, err := c.Get(soon(t), "k", clientv3.WithRev(1))
	if err != rpctypes.ErrCompacted || !errors.Is(fmt.Errorf("wrapped: %w", err), rpctypes.ErrCompacted) { //nolint:errorlint // both are promised
		t.Errorf("got error %v", err)
	}
}

func TestSizeLimits(t *testing.T) {
	m := serve(t, func(context.Context, any) (any, error) {
		return &pb.RangeResponse{Count: 1 << 40, More: true}, nil
	})
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, MaxCallSendMsgSize: 5, MaxCallRecvMsgSize: 5})
	if _, err := c.Get(soon(t), "kkkkkk"); status.Code(err) != codes.ResourceExhausted || len(m.got()) != 0 {
		t.Errorf("large request: %v, sent %d times", err, len(m.got()))
	}
	if _, err := c.Get(soon(t), "k"); status.Code(err) != codes.ResourceExhausted || len(m.got()) != 1 {
		t.Errorf("large response: %v, sent %d times", err, len(m.got()))
	}
}
