package clientv3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc"
)

const (
	defaultMaxSendBytes     = 2 << 20
	defaultMaxRecvBytes     = math.MaxInt32
	defaultRetries          = 100
	defaultBackoff          = 25 * time.Millisecond
	defaultJitter           = 0.1
	defaultKeepAliveTime    = 10 * time.Second
	defaultKeepAliveTimeout = 5 * time.Second
)

// EndpointDialer makes the connection of a client. [Client.Endpoints] and
// [Client.Dial] may be used in it.
type EndpointDialer func(*Client) (*grpc.ClientConn, error)

// Config says what a client connects to and how. Only Endpoints is needed.
type Config struct {
	// Endpoints are the addresses of the members: "host:port", "http://host:port",
	// "https://host:port", "unix:path", "unix:///path" or "unixs:///path". http is
	// always plain, https and unixs are always TLS; the others are TLS if the
	// field TLS is set. A URL without a port has that of its scheme, 80 or 443.
	Endpoints []string `json:"endpoints"`

	// AutoSyncInterval is the time between two calls of [Client.Sync] in the
	// background. Zero means none.
	AutoSyncInterval time.Duration `json:"auto-sync-interval"`

	// RetryDialer, if set, makes the one connection of the client in place of
	// the client's own way. What it returns is the client's to close, and grpc-go
	// reconnects it. Changes of the endpoints do not reach it.
	RetryDialer EndpointDialer `json:"-"`

	// DialTimeout is how long [New] waits for a connection, and for the first token
	// if there is a Username. It also bounds each attempt to make a connection later
	// on. Zero means that New does not wait, and that an attempt takes at most 20
	// seconds.
	DialTimeout time.Duration `json:"dial-timeout"`

	// DialKeepAliveTime is how long a connection may be silent before it is asked for
	// a sign of life, so that calls leave a member that has stopped. Zero means 10
	// seconds, which is also the least that grpc-go accepts; negative means never.
	DialKeepAliveTime time.Duration `json:"dial-keep-alive-time"`

	// DialKeepAliveTimeout is how long the sign of life may take before the
	// connection is given up. Zero means 5 seconds.
	DialKeepAliveTimeout time.Duration `json:"dial-keep-alive-timeout"`

	// MaxCallSendMsgSize is the size in bytes that no request may exceed. Zero
	// means 2 MiB. The server has a limit of its own (--max-request-bytes).
	MaxCallSendMsgSize int `json:"-"`

	// MaxCallRecvMsgSize is the size in bytes that no response may exceed. Zero
	// means [math.MaxInt32].
	MaxCallRecvMsgSize int `json:"-"`

	// TLS is how connections are secured; see Endpoints for which are. Certificates
	// are verified for the host of each endpoint, or for its ServerName if set.
	// Its GetClientCertificate is called for each connection, so that renewed
	// certificates come into use.
	TLS *tls.Config `json:"-"`

	// Username and Password get a token, and a new one whenever the server
	// no longer accepts the last. An empty Username means none.
	Username string `json:"username"`
	Password string `json:"password"`

	// Token is sent with each call as it is, in place of what a password would get.
	Token string `json:"token"`

	// RejectOldCluster makes New fail with [ErrOldCluster] if an endpoint is older
	// than etcd 3.4. New then waits for the answer of all endpoints.
	RejectOldCluster bool `json:"reject-old-cluster"`

	// DialOptions are given to grpc-go after the client's own, which they override. A
	// service config among them replaces the balancing of calls over the endpoints
	// and the limits of message sizes.
	DialOptions []grpc.DialOption `json:"-"`

	// Context is what [Client.Ctx] derives from. Nil means context.Background.
	Context context.Context `json:"-"`

	// Logger hears of failures that no call returns. Nil means nobody does.
	Logger Logger `json:"-"`

	// PermitWithoutStream asks for signs of life also on connections without calls
	// under way. It matters only for servers without a health service, as the client
	// has a call of that under way on each connection.
	PermitWithoutStream bool `json:"permit-without-stream"`

	// MaxUnaryRetries is how often a call is repeated at most. Zero means 100.
	MaxUnaryRetries uint `json:"max-unary-retries"`

	// BackoffWaitBetween is the pause before a call is repeated. Zero means 25 ms.
	// The first repetition of a call does not wait if there are several endpoints.
	BackoffWaitBetween time.Duration `json:"backoff-wait-between"`

	// BackoffJitterFraction is the part of the pause that is random, up and down.
	// Zero means a tenth.
	BackoffJitterFraction float64 `json:"backoff-jitter-fraction"`
}

func (cfg *Config) validate() error {
	if len(cfg.Endpoints) == 0 {
		return ErrNoAvailableEndpoints
	}
	if cfg.Token != "" && (cfg.Username != "" || cfg.Password != "") {
		return ErrMutuallyExclusiveCfg
	}
	if cfg.Username == "" && cfg.Password != "" {
		return errors.New("clientv3: a Password without a Username")
	}
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"MaxCallSendMsgSize", cfg.MaxCallSendMsgSize},
		{"MaxCallRecvMsgSize", cfg.MaxCallRecvMsgSize},
	} {
		if limit.value < 0 {
			return fmt.Errorf("clientv3: %s is negative: %d", limit.name, limit.value)
		}
	}
	if sent, received := cfg.maxSend(), cfg.maxRecv(); sent > received {
		return fmt.Errorf("clientv3: MaxCallSendMsgSize %d is more than MaxCallRecvMsgSize %d: what is written could not be read", sent, received)
	}
	return nil
}

func (cfg *Config) maxSend() int { return cmp.Or(cfg.MaxCallSendMsgSize, defaultMaxSendBytes) }
func (cfg *Config) maxRecv() int { return cmp.Or(cfg.MaxCallRecvMsgSize, defaultMaxRecvBytes) }

func (cfg *Config) retryPolicy() retryPolicy {
	return retryPolicy{
		limit:  cmp.Or(cfg.MaxUnaryRetries, defaultRetries),
		pause:  cmp.Or(cfg.BackoffWaitBetween, defaultBackoff),
		jitter: cmp.Or(cfg.BackoffJitterFraction, defaultJitter),
	}
}
