package clientv3

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"
)

var (
	// ErrNoAvailableEndpoints is returned by New for a Config without endpoints, and
	// by the calls of a client that [NewCtxClient] made.
	ErrNoAvailableEndpoints = errors.New("clientv3: no available endpoints")

	// ErrOldCluster is returned by New with Config.RejectOldCluster for a cluster
	// that has a member older than etcd 3.4.
	ErrOldCluster = errors.New("clientv3: old cluster version")

	// ErrMutuallyExclusiveCfg is returned by New for a Config with both a
	// Username or Password and a Token.
	ErrMutuallyExclusiveCfg = errors.New("clientv3: Username/Password and Token are mutually exclusive")
)

// Client does the calls of all of etcd's APIs. It is safe for concurrent use.
// The embedded interfaces may be replaced before the first call, as fakes and
// namespaces do.
type Client struct {
	Cluster
	KV
	Lease
	Watcher
	Auth
	Maintenance

	caller

	config   Config
	ctx      context.Context
	cancel   context.CancelFunc
	failures failureLog

	background sync.WaitGroup // what runs until Close
	closeOnce  sync.Once
	errClose   error
}

// New makes a client and starts to connect to all endpoints.
//
// With a DialTimeout, New waits until one endpoint is connected, and with a
// Username until the server has accepted it. When that takes longer, errors.Is
// says [context.DeadlineExceeded], and the text what the last connection failed
// by; where none failed and none was made, as with addresses that do not answer
// at all, it is context.DeadlineExceeded itself. Without a DialTimeout New does
// not wait, and it is the first call that fails.
//
// The caller must Close the client.
func New(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := newClient(cfg)
	if err := c.open(); err != nil {
		c.Close() //nolint:errcheck // err says more
		return nil, err
	}
	return c, nil
}

// NewFromURL makes a client of one endpoint. It does not wait for a connection.
func NewFromURL(url string) (*Client, error) {
	return New(Config{Endpoints: []string{url}})
}

// NewFromURLs makes a client of several endpoints. It does not wait for a
// connection.
func NewFromURLs(urls []string) (*Client, error) {
	return New(Config{Endpoints: urls})
}

// NewCtxClient makes a client without a connection, for programs that put
// implementations of their own into its interfaces, which are nil at first. Its
// Ctx ends with ctx.
func NewCtxClient(ctx context.Context) *Client {
	return newClient(Config{Context: ctx})
}

func newClient(cfg Config) *Client {
	parent := cfg.Context
	if parent == nil {
		parent = context.Background()
	}
	c := &Client{config: cfg, caller: newCaller(&cfg)}
	c.endpoints = newEndpointList(cfg.TLS != nil)
	c.ctx, c.cancel = context.WithCancel(parent)
	return c
}

// open connects c as its configuration says.
func (c *Client) open() error {
	err := c.endpoints.set(c.config.Endpoints)
	if err != nil {
		return err
	}
	c.token = newTokenSource(c)
	if c.conn, err = c.connect(); err != nil {
		return err
	}
	c.conn.Connect()
	c.Cluster = NewCluster(c)
	c.KV = NewKV(c)
	c.Lease = NewLease(c)
	c.Watcher = NewWatcher(c)
	c.Auth = NewAuth(c)
	c.Maintenance = NewMaintenance(c)
	if err = c.awaitReadiness(); err != nil {
		return err
	}
	if c.config.AutoSyncInterval > 0 {
		c.background.Go(c.autoSync)
	}
	return nil
}

// connect makes the connection that all calls use.
func (c *Client) connect() (*grpc.ClientConn, error) {
	if c.config.RetryDialer != nil {
		return c.config.RetryDialer(c)
	}
	return c.dial(c.endpoints)
}

// Close ends all watches and lease keepalives, and then the connections. Calls
// under way fail. A second Close does nothing and returns what the first did.
func (c *Client) Close() error {
	c.closeOnce.Do(func() {
		c.cancel()
		var errs []error
		if c.Watcher != nil {
			errs = append(errs, c.Watcher.Close())
		}
		if c.Lease != nil {
			errs = append(errs, c.Lease.Close())
		}
		if c.conn != nil {
			errs = append(errs, c.conn.Close())
		}
		c.background.Wait()
		c.errClose = errors.Join(errs...)
	})
	return c.errClose
}

// Ctx is a context that ends with Close, for what must outlive the context of
// a single call, such as cleaning up after it.
func (c *Client) Ctx() context.Context { return c.ctx }

// ActiveConnection returns the connection that the calls use. It is a gRPC
// channel to all endpoints, and remains the client's: do not close it.
func (c *Client) ActiveConnection() *grpc.ClientConn { return c.conn }

// Errors returns what connections failed by since the last call of Errors, at
// most the latest 32, oldest first.
func (c *Client) Errors() []error { return c.failures.drain() }
