package clientv3_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"

	"github.com/coreos/etcd/clientv3"
)

// gate is a member's authentication: it gives tokens for one password and
// serves who has the latest.
type gate struct {
	mu     sync.Mutex // guards the fields below
	off    bool
	issued int
	latest string
}

func (g *gate) answer(ctx context.Context, message any) (any, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	if login, ok := message.(*pb.AuthenticateRequest); ok {
		switch {
		case len(md.Get("token")) > 0: // as etcd 3.4 does
			return nil, rpctypes.ErrGRPCInvalidAuthToken
		case g.off:
			return nil, rpctypes.ErrGRPCAuthNotEnabled
		case login.GetName() != "root" || login.GetPassword() != "secret":
			return nil, rpctypes.ErrGRPCAuthFailed
		}
		g.issued++
		g.latest = fmt.Sprintf("token %d", g.issued)
		return &pb.AuthenticateResponse{Token: g.latest}, nil
	}
	switch token := strings.Join(md.Get("token"), ","); {
	case g.off || token == g.latest:
		return answerEmpty(ctx, message)
	case token == "":
		return nil, rpctypes.ErrGRPCUserEmpty
	default:
		return nil, rpctypes.ErrGRPCInvalidAuthToken
	}
}

// expire makes the server forget all tokens, as after its restart.
func (g *gate) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.latest = "none that was issued"
}

// switched turns authentication off or on.
func (g *gate) switched(off bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.off = off
}

func TestTokenIsRenewed(t *testing.T) {
	for _, call := range kvCalls() {
		t.Run(call.name, func(t *testing.T) {
			g := new(gate)
			m := serve(t, g.answer)
			c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, Username: "root", Password: "secret"})
			for range 3 {
				for range 2 {
					if err := call.do(soon(t), c); err != nil {
						t.Fatal(err)
					}
				}
				g.expire()
			}
			if got := count[*pb.AuthenticateRequest](m); got != 3 {
				t.Errorf("authenticated %d times, not 3", got)
			}
		})
	}
}

// TestTokenIsRenewedOnceForAll has many calls find the token stale at once.
func TestTokenIsRenewedOnceForAll(t *testing.T) {
	g := new(gate)
	m := serve(t, g.answer)
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, Username: "root", Password: "secret"})
	for round := 1; round <= 5; round++ {
		g.expire()
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if _, err := c.Put(soon(t), "k", "v"); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if got := count[*pb.AuthenticateRequest](m); got != round {
			t.Errorf("authenticated %d times, not %d", got, round)
		}
	}
}

func TestAuthenticationSwitchedOnAndOff(t *testing.T) {
	g := &gate{off: true}
	m := serve(t, g.answer)
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, DialTimeout: patience, Username: "root", Password: "secret"})
	for _, off := range []bool{true, false, true, false} {
		g.switched(off)
		if _, err := c.Get(soon(t), "k"); err != nil {
			t.Errorf("off %v: %v", off, err)
		}
	}
}

func TestOldAuthRevisionIsRenewed(t *testing.T) {
	g := new(gate)
	old := true
	m := serve(t, func(ctx context.Context, message any) (any, error) {
		if _, ok := message.(*pb.PutRequest); ok && old {
			old = false
			return nil, rpctypes.ErrGRPCAuthOldRevision
		}
		return g.answer(ctx, message)
	})
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, Username: "root", Password: "secret"})
	if _, err := c.Put(soon(t), "k", "v"); err != nil {
		t.Error(err)
	}
	if got := count[*pb.AuthenticateRequest](m); got != 2 {
		t.Errorf("authenticated %d times, not 2", got)
	}
}

func TestWrongPassword(t *testing.T) {
	m := serve(t, new(gate).answer)
	cfg := clientv3.Config{Endpoints: []string{m.addr}, Username: "root", Password: "unsafe"}
	c := connect(t, cfg)
	if _, err := c.Put(soon(t), "k", "v"); !errors.Is(err, rpctypes.ErrAuthFailed) {
		t.Errorf("call: %v", err)
	}
	if got := count[*pb.PutRequest](m); got != 0 {
		t.Errorf("sent %d times without a token", got)
	}
	cfg.DialTimeout = patience
	if _, err := clientv3.New(cfg); !errors.Is(err, rpctypes.ErrAuthFailed) {
		t.Errorf("New: %v", err)
	}
}

// TestTokenOfAnother is one that the client can't renew.
func TestTokenOfAnother(t *testing.T) {
	g := &gate{latest: "mine"}
	m := serve(t, g.answer)
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, Token: "mine"})
	if _, err := c.Put(soon(t), "k", "v"); err != nil {
		t.Error(err)
	}
	g.expire()
	if _, err := c.Put(soon(t), "k", "v"); !errors.Is(err, rpctypes.ErrInvalidAuthToken) {
		t.Errorf("expired: %v", err)
	}
}

// TestTokenAtOneEndpoint has a call with an endpoint find the token stale.
func TestTokenAtOneEndpoint(t *testing.T) {
	g := new(gate)
	m := serve(t, g.answer)
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, Username: "root", Password: "secret"})
	for range 3 {
		if _, err := c.Status(soon(t), m.addr); err != nil {
			t.Error(err)
		}
		g.expire()
	}
}

// TestTokenRenewalEndsWithContext has nobody answer to a password: one call
// waits for that, and the other one for the first.
func TestTokenRenewalEndsWithContext(t *testing.T) {
	asked := make(chan struct{}, 1)
	m := serve(t, func(ctx context.Context, _ any) (any, error) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, Username: "root", Password: "secret"})
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			if _, err := c.Put(ctx, "k", "v"); err != context.Canceled { //nolint:errorlint // it is promised to be bare
				t.Errorf("got error %v", err)
			}
		})
	}
	<-asked
	cancel()
	calls.Wait()
}
