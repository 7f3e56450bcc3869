package clientv3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // makes connections heed the server's health service
	"google.golang.org/grpc/keepalive"
)

// serviceConfig spreads the calls over the endpoints that say that they are
// healthy. Servers without a health service count as healthy. The limits of sizes,
// which are those of all methods, are here because as options they take two
// allocations of each call.
const serviceConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"healthCheckConfig": {"serviceName": ""},
	"methodConfig": [{"name": [{}], "maxRequestMessageBytes": %d, "maxResponseMessageBytes": %d}]
}`

const (
	defaultConnectTimeout = 20 * time.Second
	maxReconnectPause     = 3 * time.Second
)

// How many bytes a server may send ahead of who reads them. That they are fixed
// keeps grpc-go from measuring the connection, by a ping with nearly each call.
const (
	streamWindow = 4 << 20
	connWindow   = 16 << 20
)

// Dial connects to one endpoint alone, with the credentials and options of the
// client. It does not wait for the connection, which is the caller's to close.
func (c *Client) Dial(ep string) (*grpc.ClientConn, error) {
	list := newEndpointList(c.config.TLS != nil)
	if err := list.set([]string{ep}); err != nil {
		return nil, err
	}
	return c.dial(list)
}

func (c *Client) dial(list *endpointList) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithResolvers(list.resolver),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(serviceConfig, c.config.maxSend(), c.config.maxRecv())),
		grpc.WithDisableServiceConfig(),
		grpc.WithTransportCredentials(c.newHandshaker()),
		grpc.WithContextDialer(c.dialAddress),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connWindow),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay:  100 * time.Millisecond,
				Multiplier: backoff.DefaultConfig.Multiplier,
				Jitter:     backoff.DefaultConfig.Jitter,
				MaxDelay:   maxReconnectPause,
			},
			MinConnectTimeout: cmp.Or(c.config.DialTimeout, defaultConnectTimeout),
		}),
	}
	if c.config.DialKeepAliveTime >= 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:                cmp.Or(c.config.DialKeepAliveTime, defaultKeepAliveTime),
			Timeout:             cmp.Or(c.config.DialKeepAliveTimeout, defaultKeepAliveTimeout),
			PermitWithoutStream: c.config.PermitWithoutStream,
		}))
	}
	if c.token != nil {
		options = append(options, grpc.WithPerRPCCredentials(c.token))
	}
	return grpc.NewClient(scheme+":///", append(options, c.config.DialOptions...)...)
}

// dialAddress makes the socket of a connection.
func (c *Client) dialAddress(ctx context.Context, address string) (net.Conn, error) {
	network := "tcp"
	if path, isUnix := strings.CutPrefix(address, unixPrefix); isUnix {
		network, address = "unix", path
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		c.failures.add(address, err)
	}
	return conn, err
}

// handshaker secures the connections to those endpoints that are TLS, and
// leaves the others plain.
type handshaker struct {
	credentials.TransportCredentials // TLS
	plain                            credentials.TransportCredentials
	serverName                       string // verified in place of an endpoint's own
	failures                         *failureLog
}

func (c *Client) newHandshaker() *handshaker {
	config := c.config.TLS
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &handshaker{
		TransportCredentials: credentials.NewTLS(config),
		plain:                insecure.NewCredentials(),
		serverName:           config.ServerName,
		failures:             &c.failures,
	}
}

// ClientHandshake is called by grpc-go with a new socket.
func (h *handshaker) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if secure, _ := credentials.ClientHandshakeInfoFromContext(ctx).Attributes.Value(tlsKey{}).(bool); !secure {
		return h.plain.ClientHandshake(ctx, authority, raw)
	}
	conn, info, err := h.TransportCredentials.ClientHandshake(ctx, cmp.Or(h.serverName, authority), raw)
	if err != nil {
		h.failures.add(authority, err)
	}
	return conn, info, err
}

// Clone is called by grpc-go before it changes h.
func (h *handshaker) Clone() credentials.TransportCredentials {
	clone := *h
	clone.TransportCredentials = h.TransportCredentials.Clone()
	return &clone
}

// awaitReadiness waits as long as DialTimeout says until calls can be made.
func (c *Client) awaitReadiness() error {
	ctx := c.ctx
	if c.config.DialTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.DialTimeout)
		defer cancel()
		if err := c.awaitConnection(ctx); err != nil {
			return err
		}
		if _, err := c.token.ensure(ctx); err != nil {
			return err
		}
	}
	if c.config.RejectOldCluster {
		return c.rejectOldCluster(ctx)
	}
	return nil
}

func (c *Client) awaitConnection(ctx context.Context) error {
	for {
		state := c.conn.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.Shutdown:
			return errors.New("clientv3: the connection is closed")
		}
		c.conn.Connect()
		if c.conn.WaitForStateChange(ctx, state) {
			continue
		}
		if last := c.failures.last(); last != nil {
			return fmt.Errorf("clientv3: no endpoint answers, the last error is %w: %w", last, ctx.Err())
		}
		return ctx.Err()
	}
}
