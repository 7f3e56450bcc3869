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

// EndpointSelectionMode says which endpoint a client prefers.
type EndpointSelectionMode int

const (
	// EndpointSelectionRandom prefers one endpoint at random, and stays with it
	// until it fails.
	EndpointSelectionRandom EndpointSelectionMode = iota

	// EndpointSelectionPrioritizeLeader prefers the endpoint of the cluster's
	// leader, which saves writes a hop. The leader is looked up before the first
	// request, after an endpoint failed or Sync changed them, and when a reply
	// tells of a new term. Where there is none, or it is none of the endpoints,
	// any endpoint is used.
	EndpointSelectionPrioritizeLeader
)

// Config is what New makes a client of. Only Endpoints must be set; with
// NewFromSRV they must not.
type Config struct {
	// Endpoints are the URLs of the members, or of proxies before them: http,
	// https, unix or unixs, with a port where it is not the scheme's, and with a
	// path where etcd is not at the root. "host:port" means http. A dot at the end
	// of a host's name makes it absolute for the look-up; it is not sent as part
	// of Host, nor is it part of the name that is verified. What follows unix://
	// is the name of the socket's file: unix:///run/etcd.sock, or
	// unix://localhost:2379 in the working directory. A user and a
	// password in a URL are the credentials for that endpoint, in place of
	// Username and Password; they are never printed.
	Endpoints []string

	// Transport makes the HTTP exchanges; nil means DefaultTransport. Any
	// http.RoundTripper will do; NewTransport makes one with certificates and
	// bounds of one's own. unix endpoints work with these two, and with what
	// wraps them.
	Transport CancelableTransport

	// CheckRedirect decides how long redirects are followed; nil means
	// DefaultCheckRedirect.
	CheckRedirect CheckRedirectFunc

	// Username and Password are sent with each request, by basic
	// authentication, to the endpoints and nobody else. An empty Username means
	// no credentials.
	Username string
	Password string

	// HeaderTimeoutPerRequest bounds, for each attempt, the time until the
	// reply's header is there; the attempt then counts as failed and another
	// endpoint is asked. Zero means no bound. Watches are not bounded: the first
	// byte of their reply may take for ever.
	HeaderTimeoutPerRequest time.Duration

	// SelectionMode says which endpoint is preferred.
	SelectionMode EndpointSelectionMode

	// MaxResponseBytes bounds the body of a reply. A larger one is an error that
	// is ErrResponseTooLarge. Zero means 512 MiB.
	MaxResponseBytes int64

	// StallInterval is how long the client waits for a reply before it asks the
	// endpoint, by GET /health on a connection of its own, whether it is still
	// there. If it does not answer that either, the attempt is given up as a
	// failure of that endpoint (ErrStalled); if it does, it is merely slow, and
	// is waited for and asked again. A reply whose body stops coming for as long
	// is given up too. Calls that may be repeated leave an endpoint that is slow
	// when half of the time to the deadline is over, if there is another
	// (ErrOverdue), and come back to it when all others fail. While replies come in time nothing is sent, save that a
	// member whose raft index stands still for 10 seconds is asked whether it
	// has a quorum. The time is
	// shortened to a fifth of what the context's deadline leaves, and doubled
	// for watches that are quiet. Zero means 2 seconds; a negative time switches
	// it off, so that a stopped endpoint holds a call until its context ends.
	StallInterval time.Duration

	// StrictWrites is for those to whom "applied twice with the same result" is
	// still twice (a watcher sees two events): unconditional writes, which are
	// otherwise sent to the next endpoint when the outcome at one is unknown,
	// then stop with an error that is ErrOutcomeUnknown, as conditional ones do.
	StrictWrites bool

	// Trace is told of each attempt, and of what else becomes of the endpoints,
	// the watches and Sync; nil means nobody is. New copies it. See [WithTrace]
	// for the calls of one context.
	Trace *Trace

	// Logger is told at Debug which endpoints failed or are well again and which
	// watches are made again, and at Warn of calls that failed on all endpoints
	// or may have been applied and of a Sync that failed; nil means silence.
	// Credentials, values and the bodies of replies are not logged; keys are.
	Logger *slog.Logger

	// Quorum makes every Get of the client's KeysAPIs one with
	// GetOptions.Quorum: never stale, slower, and an error while there is no
	// quorum. It is the default that a GetOptions of a caller's can't take back;
	// local reads need a client of their own. It also holds below a type that
	// embeds the client and passes actions on; for one that wraps them in its own,
	// use QuorumReads. Watches are as they are.
	Quorum bool
}

// Client sends actions to a cluster. It is safe for concurrent use. Make it with
// New, and the APIs with NewKeysAPI, NewMembersAPI, NewAuthAPI, NewAuthUserAPI
// and NewAuthRoleAPI.
//
// A type that embeds a Client and overrides some of its methods may be given to
// those functions as well.
type Client interface {
	// Sync asks the cluster for its members and uses their client URLs from
	// then on: those that answer a GET /health within 2 seconds. The endpoints
	// that were configured stay as fallbacks, behind them, so Sync never strands
	// a client. Plain http URLs are left out where credentials are set and all
	// that was configured is https. When Sync fails, nothing changes; the error
	// is that of a read, or ErrNoEndpoints when no client URL can be used. A
	// client of NewFromSRV looks the records up first, and keeps what they say.
	Sync(context.Context) error

	// AutoSync calls Sync now and then every interval, and sooner when a call
	// fails on all endpoints. It returns only when the context ends, with the
	// context's error. A Sync that failed is tried again after a pause that
	// grows from one second to the interval; Trace.SyncDone and Config.Logger
	// are told of it. An interval of zero or less means
	// 10 seconds.
	AutoSync(context.Context, time.Duration) error

	// Endpoints gives the endpoints in use, without credentials: those
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
	// be repeated, to the others in turn, each once, those that failed lately
	// last. The first that answers is pinned. It returns the reply, its body read and closed, and the body;
	// a status of 4xx is an answer and no error here. If no endpoint answers,
	// the error is a *ClusterError, if the context ends first, ctx.Err().
	Do(context.Context, HTTPAction) (*http.Response, []byte, error)

	// GetVersion asks one endpoint for its version and the cluster's.
	GetVersion(ctx context.Context) (*Versions, error)
}

// New makes a client. It sends nothing. The error is ErrNoEndpoints or an
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

// newClusterClient makes a client that has no endpoints yet.
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

// effective returns the call as this client makes it.
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
