package clientv3

import (
	"context"
	"errors"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/credentials"
)

// token is what the server knows a user by. It never changes once made, so that
// its address tells whether it is still the latest.
type token struct {
	metadata map[string]string // what each call carries; nil while auth is off
}

func newToken(value string) *token {
	if value == "" {
		return new(token)
	}
	return &token{metadata: map[string]string{rpctypes.TokenFieldNameGRPC: value}}
}

// tokenSource attaches the latest token to all calls and streams of a client,
// and gets the next one. A nil tokenSource is that of a client without
// credentials.
type tokenSource struct {
	authenticate func(ctx context.Context) (string, error) // nil if the token is given
	latest       atomic.Pointer[token]                     // nil before the first
	renewal      chan struct{}                             // has room for the one who authenticates
}

func newTokenSource(c *Client) *tokenSource {
	s := &tokenSource{renewal: make(chan struct{}, 1)}
	switch {
	case c.config.Token != "":
		s.latest.Store(newToken(c.config.Token))
	case c.config.Username != "":
		s.authenticate = c.authenticate
	default:
		return nil
	}
	return s
}

// authenticate asks for a token, which is empty while auth is off.
func (c *Client) authenticate(ctx context.Context) (string, error) {
	anonymous := c.caller
	anonymous.token = nil
	request := &pb.AuthenticateRequest{Name: c.config.Username, Password: c.config.Password}
	reply, err := send[pb.AuthenticateResponse](ctx, &anonymous, pb.Auth_Authenticate_FullMethodName, request, reads)
	if errors.Is(err, rpctypes.ErrAuthNotEnabled) {
		return "", nil
	}
	return reply.GetToken(), err
}

// ensure returns the token that a call made now carries, and gets the first one.
func (s *tokenSource) ensure(ctx context.Context) (*token, error) {
	if s == nil {
		return nil, nil
	}
	if t := s.latest.Load(); t != nil {
		return t, nil
	}
	return s.renew(ctx, nil)
}

// renew gets a token in place of stale, once for all who found it stale.
func (s *tokenSource) renew(ctx context.Context, stale *token) (*token, error) {
	select {
	case s.renewal <- struct{}{}:
		defer func() { <-s.renewal }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if t := s.latest.Load(); t != stale {
		return t, nil
	}
	value, err := s.authenticate(ctx)
	if err != nil {
		return nil, err
	}
	t := newToken(value)
	s.latest.Store(t)
	return t, nil
}

// canRenew reports whether err, which a call or a watch ended with, is mended by
// a new token.
func (s *tokenSource) canRenew(err error) bool {
	return s != nil && s.authenticate != nil &&
		(errors.Is(err, rpctypes.ErrInvalidAuthToken) ||
			errors.Is(err, rpctypes.ErrAuthOldRevision) ||
			errors.Is(err, rpctypes.ErrUserEmpty)) // auth was switched on after the last token
}

// GetRequestMetadata is called by grpc-go for each call. Who asks for a token goes
// without: etcd 3.4 looks at an old one first, and refuses it.
func (s *tokenSource) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if info, ok := credentials.RequestInfoFromContext(ctx); ok && info.Method == pb.Auth_Authenticate_FullMethodName {
		return nil, nil
	}
	if t := s.latest.Load(); t != nil {
		return t.metadata, nil
	}
	return nil, nil
}

// RequireTransportSecurity is false as etcd may have auth without TLS.
func (s *tokenSource) RequireTransportSecurity() bool { return false }
