package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultRequestTimeout bounds the requests that the client makes on its own
// account: the look-up of the leader. Calls are bounded by their context alone.
// It is read at each use; set it before the first.
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

// Config is what New makes a client of. Only Endpoints must be set.
type Config struct {
	// Endpoints are the URLs of the members, or of proxies before them: http,
	// https, unix or unixs, with a port where it is not the scheme's, and with a
	// path where etcd is not at the root. "host:port" means http. A user and a
	// password in a URL are the credentials for that endpoint, in place of
	// Username and Password; they are never printed.
	Endpoints []string

	// Transport makes the HTTP exchanges; nil means DefaultTransport. Any
	// http.RoundTripper will do. unix endpoints need one that knows the scheme
	// (http.Transport.RegisterProtocol).
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
	// is that of a read, or ErrNoEndpoints when no client URL can be used.
	Sync(context.Context) error

	// AutoSync calls Sync now and then every interval, and sooner when a call
	// fails on all endpoints. It returns only when the context ends, with the
	// context's error. A Sync that failed is tried again after a pause that
	// grows from one second to the interval. An interval of zero or less means
	// 10 seconds.
	AutoSync(context.Context, time.Duration) error

	// Endpoints gives the endpoints in use, without credentials: those
	// configured in their order, or after a Sync the members' and then the
	// fallbacks. The caller owns the slice.
	Endpoints() []string

	// SetEndpoints replaces the configured endpoints, and what Sync found. A
	// list that is empty (ErrNoEndpoints) or has a bad entry
	// (*InvalidInputError) is refused as a whole. An endpoint known before keeps
	// its credentials when the new URL has none.
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
	switch {
	case cfg.HeaderTimeoutPerRequest < 0:
		return nil, &InvalidInputError{Field: "HeaderTimeoutPerRequest", Value: cfg.HeaderTimeoutPerRequest.String(), Reason: "it is negative"}
	case cfg.MaxResponseBytes < 0:
		return nil, &InvalidInputError{Field: "MaxResponseBytes", Reason: "it is negative"}
	case strings.Contains(cfg.Username, ":"):
		return nil, &InvalidInputError{Field: "Username", Value: cfg.Username, Reason: "basic authentication has no colon in it (RFC 7617)"}
	case cfg.SelectionMode != EndpointSelectionRandom && cfg.SelectionMode != EndpointSelectionPrioritizeLeader:
		return nil, &InvalidInputError{Field: "SelectionMode", Reason: "there is no such mode"}
	}
	c := &httpClusterClient{
		exchange: exchange{
			transport:     cfg.Transport,
			checkRedirect: cfg.CheckRedirect,
			headerTimeout: cfg.HeaderTimeoutPerRequest,
			maxBytes:      cfg.MaxResponseBytes,
			credentials:   credentials{cfg.Username, cfg.Password},
		},
		strictWrites: cfg.StrictWrites,
		preferLeader: cfg.SelectionMode == EndpointSelectionPrioritizeLeader,
	}
	if c.exchange.transport == nil {
		c.exchange.transport = DefaultTransport
	}
	c.prober.transport = c.exchange.transport
	c.allFailed = make(signal, 1)
	if cfg.StallInterval >= 0 {
		c.exchange.stalls = stallGuards{interval: cfg.StallInterval, prober: &c.prober, anotherIsWell: c.anotherIsWell, suspectTheDead: c.suspectTheDead}
		if cfg.StallInterval == 0 {
			c.exchange.stalls.interval = defaultStallInterval
		}
	}
	if c.exchange.checkRedirect == nil {
		c.exchange.checkRedirect = DefaultCheckRedirect
	}
	if c.exchange.maxBytes == 0 {
		c.exchange.maxBytes = defaultMaxResponseBytes
	}
	if err := c.SetEndpoints(cfg.Endpoints); err != nil {
		return nil, err
	}
	return c, nil
}

// httpClusterClient chooses endpoints and decides after each attempt. It knows
// neither JSON nor etcd's error codes.
type httpClusterClient struct {
	exchange     exchange
	strictWrites bool
	preferLeader bool
	pool         endpointPool
	prober       prober

	allFailed   signal // a call has failed on all endpoints
	term        atomic.Uint64
	leaderKnown atomic.Bool // false: look the leader up before the next request
	leaderMu    sync.Mutex  // held by the call that does; guards the field below
	nextLookup  time.Time   // not before

	mu         sync.Mutex  // guards the fields below, and replacing the pool's list
	configured []*endpoint // the endpoints of New or SetEndpoints
}

// Do implements Client.
func (c *httpClusterClient) Do(ctx context.Context, act HTTPAction) (*http.Response, []byte, error) {
	if ctx == nil {
		return nil, nil, errNilContext
	}
	if act == nil {
		return nil, nil, ErrNoRequest
	}
	if c.preferLeader && !c.leaderKnown.Load() {
		c.pinLeader(ctx)
	}
	r, err := c.send(ctx, act)
	if err != nil {
		return nil, nil, err
	}
	return r.http, r.body, nil
}

// send tries the endpoints in turn until one answers, the verdict is to stop, or
// none is left.
func (c *httpClusterClient) send(ctx context.Context, act HTTPAction) (*reply, error) {
	view := c.pool.view()
	c.recheckSuspects(view) //nolint:contextcheck // what it starts outlives the call
	class := classOf(act, view.at(0).base)
	failed := &ClusterError{}
	var tried tries
	overdue := -1 // the endpoint that was left though it is alive
	for i, ok := view.choose(nil, c.isSuspect); ok; i, ok = view.choose(tried, c.isSuspect) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		tried = view.mark(tried, i)
		ep := view.at(i)
		terms := stallTerms{
			reads:   class == classRead,
			streams: isConsumer(act),
			mayMove: overdue < 0 && c.mayRepeat(class) && !isLongPoll(act) && len(failed.Errors)+1 < len(view.order),
		}
		r, a, unread := c.ask(ctx, ep, act, attempt{class: class, strict: c.strictWrites}, terms, view)
		if a.ended {
			if a.elsewhere {
				c.suspect(ep)
				c.pool.pin(view, i+1)
			}
			return r, nil
		}
		if a.err == ErrNoRequest { //nolint:errorlint // made by try itself
			return nil, ErrNoRequest
		}
		if unread && ctx.Err() != nil {
			// The caller's context explains the failure, not the socket. An
			// endpoint that owed an answer will not be the next one's first.
			if !isLongPoll(act) {
				c.suspect(ep)
				c.pool.pin(view, i+1)
			}
			return nil, ctx.Err()
		}
		v := classify(a)
		if v == verdictDone {
			ep.suspicion.clear()
			c.pool.pin(view, i)
			c.noteTerm(r)
			c.noteIndex(ep, r) //nolint:contextcheck // what it starts outlives the call
			if unread {
				return nil, a.err
			}
			return r, nil
		}
		if errors.Is(a.err, ErrOverdue) {
			overdue = i
		} else {
			c.suspect(ep)
		}
		failed.add(Attempt{Endpoint: ep.name, Sent: a.sent, StatusCode: a.status, Err: a.err})
		failed.OutcomeUnknown = failed.OutcomeUnknown || a.mayBeApplied() && class != classRead
		if v == verdictStop {
			c.pool.pin(view, i+1)
			return nil, failed
		}
		if overdue >= 0 && i != overdue && len(failed.Errors) == len(view.order) {
			tried[overdue] = false // the others have failed: it was merely late
		}
	}
	c.allFailed.tell()
	return nil, failed
}

// ask makes one attempt. unread is true when no whole reply came of it.
func (c *httpClusterClient) ask(ctx context.Context, ep *endpoint, act HTTPAction, known attempt, terms stallTerms, view *endpointView) (r *reply, a attempt, unread bool) {
	a = known
	r, a.sent, a.err = c.exchange.try(ctx, ep, act, terms, view.lookup)
	if p, ok := act.(interface {
		excuses(*reply, bool, error) (bool, bool)
	}); ok && a.err != nil && ctx.Err() == nil {
		if a.ended, a.elsewhere = p.excuses(r, a.sent, a.err); a.ended {
			return &reply{}, a, false
		}
	}
	unread = a.err != nil
	if !unread {
		a.err = judge(act, r)
	}
	if r != nil {
		a.status = r.status
		a.err = withReply(a.err, r)
	}
	return r, a, unread
}

// mayRepeat reports whether a call may be sent again when its outcome is unknown.
func (c *httpClusterClient) mayRepeat(class retryClass) bool {
	return class == classRead || class == classIdempotent && !c.strictWrites
}

// judge asks the action whether r is an answer. An action of another package
// can't tell: then it is one, unless the status says that the server failed.
func judge(act HTTPAction, r *reply) error {
	if a, ok := act.(interface{ accept(*reply) error }); ok {
		return a.accept(r)
	}
	if r.status >= http.StatusInternalServerError {
		return replyError(r)
	}
	return nil
}
