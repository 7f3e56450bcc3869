package client

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// DefaultRequestTimeout bounds what the client does on its own account: a look-up
// of the leader, each Sync of AutoSync, each look-up of SRV records. Calls are
// bounded by their context alone. It is read at each use; set it before the first.
var DefaultRequestTimeout = 5 * time.Second

// EndpointSelectionMode selects which endpoint a client prefers.
type EndpointSelectionMode int

const (
	// EndpointSelectionRandom prefers one endpoint at random, and stays with it
	// until it fails.
	EndpointSelectionRandom EndpointSelectionMode = iota

	// EndpointSelectionPrioritizeLeader prefers the endpoint of the cluster's
	// leader, which saves writes a hop. The leader is looked up before the first
	// request, after an endpoint failed or Sync changed them, and when a reply has
	// a new term. Where there is no leader, or it is none of the endpoints, any
	// endpoint is used.
	EndpointSelectionPrioritizeLeader
)

// Config configures a client. Only Endpoints must be set; with NewFromSRV they
// must not. Printed or logged, it shows no password.
type Config struct {
	// Endpoints are the URLs of the members, or of proxies before them: http,
	// https, unix or unixs, with a port where it is not the scheme's, and with a
	// path where etcd is not at the root. "host:port" means http. A dot at the end
	// of a host's name makes it absolute for the look-up; it is not sent as part
	// of Host, nor is it part of the name that is verified. What follows unix://
	// is the name of the socket's file: unix:///run/etcd.sock, or
	// unix://localhost:2379 in the working directory. Spellings of one endpoint
	// (upper case, a slash at the end, [0:0::1]) count once. A user and a password
	// in a URL are the credentials for that endpoint, in place of Username and
	// Password; they are never printed. A password without a user, or a colon in
	// the user, is refused.
	Endpoints []string

	// Transport sends the HTTP requests; nil means DefaultTransport. Any
	// http.RoundTripper will do; NewTransport returns one with certificates and
	// bounds of its own. unix endpoints work with these two, and with what
	// wraps them. Whether a failed request was sent is known only from what the
	// transport reports to the request's context (net/http/httptrace): one that
	// reports nothing counts as having sent.
	Transport CancelableTransport

	// CheckRedirect decides how long redirects are followed; nil means
	// DefaultCheckRedirect.
	CheckRedirect CheckRedirectFunc

	// Username and Password are sent with each request, by basic
	// authentication, to the endpoints only. An empty Username means no
	// credentials. A colon in it is refused.
	Username string
	Password string

	// HeaderTimeoutPerRequest bounds, for each attempt, the time until the
	// reply's header is there; the attempt then counts as failed (ErrHeaderTimeout),
	// and another endpoint is asked if the call may be repeated. Zero means no
	// bound. Watches are not bounded: their reply may take for ever.
	HeaderTimeoutPerRequest time.Duration

	// SelectionMode selects which endpoint is preferred.
	SelectionMode EndpointSelectionMode

	// MaxResponseBytes bounds the body of a reply. A larger one, and one whose
	// nodes would take more than about twice as much memory, is an error that is
	// ErrResponseTooLarge; reading it allocates at most 2.2 times the bound. Zero
	// means 512 MiB. Members, users, roles and versions are bounded at 4 MiB, and
	// errors and redirects at 64 KiB, in any case.
	MaxResponseBytes int64

	// StallInterval is how long an attempt waits for the header of a reply, or for
	// the next part of its body, before the endpoint is probed: by GET /health on a
	// new connection, unless something has come from the endpoint meanwhile. One
	// probe is shared by all that wait, and a good answer holds for one interval.
	// While it waits for the header, the time is shortened to a fifth of what the
	// context's deadline leaves, at least 100 ms; it is doubled for idle watches.
	//
	// If the probe is not answered, the attempt has failed (ErrStalled). If it is,
	// the endpoint is slow, and is waited for and probed again. Calls that may be
	// repeated leave it when half of the time to the deadline is over, if there is
	// another (ErrOverdue), and ask it once more when all others have failed; after
	// two intervals of silence they leave the connection (ErrStalled), after twice as
	// many the next. Other writes are given up only when a probe is not answered.
	//
	// While replies come in time nothing is sent but the calls, with one exception:
	// a member whose raft index has not changed for 10 seconds is asked whether it
	// has a quorum. Idle watches over HTTP/1.1 are renewed every 25 to 35 seconds.
	//
	// Zero means 2 seconds; less than 1 ms is refused. A negative time switches all
	// of this off, so that a stopped endpoint holds a call until its context ends.
	StallInterval time.Duration

	// StrictWrites keeps idempotent writes from being sent again when their outcome
	// is unknown: an unconditional Set that is applied twice has the same result,
	// but a watcher sees two events. They then stop with an error that is
	// ErrOutcomeUnknown, as conditional writes do.
	StrictWrites bool

	// Trace has functions that are called for each attempt, and for changes of
	// endpoints, watches and Sync; nil disables it. New copies it. See [WithTrace]
	// for the calls of one context.
	Trace *Trace

	// Logger logs at Debug which endpoints failed, became unhealthy or are healthy
	// again and which watches are restarted, and at Warn calls that failed on all
	// endpoints or may have been applied and a Sync that failed; nil disables it.
	// Credentials, values and the bodies of replies are not logged; keys are.
	Logger *slog.Logger

	// Quorum sets GetOptions.Quorum for every Get of the client's KeysAPIs:
	// never stale, slower, and an error while there is no quorum. GetOptions can't
	// unset it; local reads need another client. It also holds below a type that
	// embeds the client and passes actions on; for one that wraps them in its own,
	// use QuorumReads. Watches are not affected.
	Quorum bool
}

// Client sends actions to a cluster. It is safe for concurrent use. New returns
// one; NewKeysAPI, NewMembersAPI, NewAuthAPI, NewAuthUserAPI and NewAuthRoleAPI
// return the APIs on it.
//
// A type that embeds a Client and overrides some of its methods may be passed to
// those functions as well: one that adds time-outs, repeats or hedges calls, or
// sends the requests itself. Watches on it lose no event.
type Client interface {
	// Sync asks the cluster for its members and uses their client URLs from
	// then on, with the configured endpoints behind them as fallbacks. Adopted is
	// what answers within 2 seconds as a member of the same cluster, by the
	// cluster's ID or a member's. A loopback address is adopted only where a
	// configured endpoint is one, http only where http is configured, a socket
	// only where one is configured, and anything only where all configured
	// endpoints have the same credentials, which it then gets.
	//
	// When Sync fails, nothing changes; the error is that of a read,
	// ErrNoEndpoints when no client URL can be used, or one that is
	// ErrRedirectRefused when a redirect fetched the list from a host that is none
	// of the endpoints. A client of NewFromSRV looks the records up first; what
	// they have stays in front.
	Sync(context.Context) error

	// AutoSync calls Sync now and then every interval, and sooner when a call
	// fails on all endpoints. It returns only when the context ends, with the
	// context's error. A Sync that failed is reported to Trace.SyncDone and
	// Config.Logger, and tried again after a pause that grows from one second to
	// the interval. An interval of zero or less means 10 seconds.
	AutoSync(context.Context, time.Duration) error

	// Endpoints returns the endpoints in use, without credentials: those
	// configured in their order, or after a Sync the members' and then the
	// fallbacks. The caller owns the slice.
	Endpoints() []string

	// SetEndpoints replaces the configured endpoints, and what Sync found. A
	// list that is empty (ErrNoEndpoints) or has a bad entry
	// (*InvalidInputError) is refused as a whole. An endpoint known before keeps
	// its credentials when the new URL has none. A client of NewFromSRV does not
	// look the records up any more.
	SetEndpoints(eps []string) error

	// Do sends the action to the pinned endpoint and, as far as the action may
	// be repeated, to the others in turn, each once, unhealthy ones last. The first
	// that answers is pinned. It returns the reply, its body read and closed, and
	// the body. For an action of another package every status below 500 is an
	// answer and no error; an endpoint whose 4xx is not etcd's is not pinned. If
	// no endpoint answers, the error is a *ClusterError, if the context ends
	// first, ctx.Err().
	Do(context.Context, HTTPAction) (*http.Response, []byte, error)

	// GetVersion asks one endpoint for its version and the cluster's.
	GetVersion(ctx context.Context) (*Versions, error)
}

// New returns a Client. It sends nothing. The error is ErrNoEndpoints or an
// *InvalidInputError that names what was wrong.
func New(cfg Config) (Client, error) {
	c, err := newClusterClient(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.SetEndpoints(cfg.Endpoints); err != nil {
		return nil, err
	}
	return c, nil
}

// newClusterClient returns a client that has no endpoints yet.
func newClusterClient(cfg Config) (*httpClusterClient, error) {
	switch {
	case cfg.HeaderTimeoutPerRequest < 0:
		return nil, &InvalidInputError{Field: "HeaderTimeoutPerRequest", Value: cfg.HeaderTimeoutPerRequest.String(), Reason: "it is negative"}
	case isNilTransport(cfg.Transport):
		return nil, &InvalidInputError{Field: "Transport", Reason: "it is a nil pointer"}
	case cfg.MaxResponseBytes < 0:
		return nil, &InvalidInputError{Field: "MaxResponseBytes", Reason: "it is negative"}
	case strings.Contains(cfg.Username, ":"):
		return nil, &InvalidInputError{Field: "Username", Reason: userHasColon}
	case cfg.SelectionMode != EndpointSelectionRandom && cfg.SelectionMode != EndpointSelectionPrioritizeLeader:
		return nil, &InvalidInputError{Field: "SelectionMode", Reason: "there is no such mode"}
	}
	interval := cfg.StallInterval
	switch {
	case interval > 0 && interval < shortestStallInterval:
		return nil, &InvalidInputError{Field: "StallInterval", Value: interval.String(), Reason: "it is shorter than " + shortestStallInterval.String() + "; is a unit missing?"}
	case interval == 0:
		interval = defaultStallInterval
	}
	c := &httpClusterClient{
		exchange: exchange{
			transport:     cfg.Transport,
			checkRedirect: cfg.CheckRedirect,
			headerTimeout: cfg.HeaderTimeoutPerRequest,
			maxBytes:      cfg.MaxResponseBytes,
		},
		strictWrites: cfg.StrictWrites,
		quorum:       cfg.Quorum,
		preferLeader: cfg.SelectionMode == EndpointSelectionPrioritizeLeader,
		observer:     newObserver(&cfg),
	}
	if cfg.Username != "" {
		c.exchange.login = newLogin(cfg.Username, cfg.Password)
	}
	if c.exchange.transport == nil {
		c.exchange.transport = DefaultTransport
	}
	c.invalidateLeader()
	c.allFailed = make(signal, 1)
	probeInterval := interval
	if probeInterval < 0 {
		probeInterval = defaultStallInterval // of those that Sync makes
	}
	c.exchange.liveness = &liveness{
		interval: max(interval, 0),
		prober:   prober{transport: c.exchange.transport, interval: probeInterval, observer: c.observer, onAlive: c.onAlive, onNone: c.onNone},
		others:   c.otherEndpoints,
	}
	c.prober = &c.exchange.liveness.prober
	if c.exchange.checkRedirect == nil {
		c.exchange.checkRedirect = DefaultCheckRedirect
	}
	if c.exchange.maxBytes == 0 {
		c.exchange.maxBytes = defaultMaxResponseBytes
	}
	return c, nil
}

// isNilTransport reports whether t is a nil pointer that would panic at the first
// request.
func isNilTransport(t http.RoundTripper) bool {
	pointer, ok := t.(*http.Transport)
	return ok && pointer == nil
}

// httpClusterClient chooses endpoints and decides after each attempt. It knows
// neither JSON nor etcd's error codes.
type httpClusterClient struct {
	exchange     exchange
	strictWrites bool
	quorum       bool
	preferLeader bool
	pool         endpointPool
	prober       *prober
	observer     *observer

	allFailed signal // a call has failed on all endpoints
	leader    leaderLookup

	mu         sync.Mutex  // guards the fields below, and replacing the pool's list
	configured []*endpoint // the endpoints of New or SetEndpoints, or those discovered
	discovery  *discovery  // nil: they are not found by records
}

// effective returns act with the defaults of this client.
func (c *httpClusterClient) effective(act *action) action {
	if c.quorum {
		return act.withQuorum()
	}
	return *act
}

// Do implements Client.
func (c *httpClusterClient) Do(ctx context.Context, act HTTPAction) (*http.Response, []byte, error) {
	switch {
	case ctx == nil:
		return nil, nil, errNilContext
	case act == nil:
		return nil, nil, ErrNoRequest
	}
	var op operation
	switch own := act.(type) {
	case *action:
		op = &actionCall{c.effective(own)}
	case *streamAction:
		op = own.call(ctx)
	default:
		op = newForeignCall(act, c.pool.view().at(0).base)
	}
	r, err := c.do(ctx, op)
	if r == nil {
		return nil, nil, err
	}
	return r.http, r.body, nil // a refusal is for the caller to read
}

// Versions are the versions that an endpoint reports.
type Versions struct {
	// Server is the version of the member that answered.
	Server string `json:"etcdserver"`
	// Cluster is the version that all members have agreed to speak. Servers
	// before 2.1 do not report it.
	Cluster string `json:"etcdcluster"`
}

// GetVersion implements Client.
func (c *httpClusterClient) GetVersion(ctx context.Context) (*Versions, error) {
	act := &action{spec: requestSpec{method: http.MethodGet, path: "/version"}, class: classRead}
	return call(ctx, c, act, decodeVersions)
}
