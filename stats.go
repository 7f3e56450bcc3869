package client

import (
	"reflect"
	"sync/atomic"
	"time"
)

// Stats is what a client has done since it was made. It can be published as it
// is, by package expvar for instance.
//
// Each number is exact, but they are read one after the other while calls go on.
// The outcomes of attempts are read before the attempts are, so that Attempts is at
// least Answered + Failed + IdlePolls + Cancelled; the rest are under way.
type Stats struct {
	Calls           uint64 `json:"calls"`           // of the APIs and Do, and the client's own; each long poll is one
	CallsFailed     uint64 `json:"callsFailed"`     // which ended with a *ClusterError
	UnknownOutcomes uint64 `json:"unknownOutcomes"` // which, of these, were writes that may have been applied

	Requests  uint64 `json:"requests"`  // HTTP requests: Attempts + Redirects
	Redirects uint64 `json:"redirects"` // requests that a reply sent on

	Attempts  uint64 `json:"attempts"`  // to get a call answered by an endpoint
	Answered  uint64 `json:"answered"`  // attempts that brought the result of a call, be it a refusal
	Failed    uint64 `json:"failed"`    // attempts that failed
	IdlePolls uint64 `json:"idlePolls"` // long polls that ended without an event, which is no failure
	Cancelled uint64 `json:"cancelled"` // attempts whose context ended first
	Failovers uint64 `json:"failovers"` // attempts after others of the same call had failed

	Retries       uint64 `json:"retries"`       // restarts of watches after all endpoints had failed, or history was lost
	WatchRestarts uint64 `json:"watchRestarts"` // restarts of watches after a long poll that ended without an event

	Probes       uint64 `json:"probes"`       // of the health of endpoints
	ProbesFailed uint64 `json:"probesFailed"` // those that nothing has answered
	Syncs        uint64 `json:"syncs"`        // of Sync and AutoSync
	SyncsFailed  uint64 `json:"syncsFailed"`

	// Endpoints are those in use, in the order of Client.Endpoints.
	Endpoints []EndpointStats `json:"endpoints"`
}

// EndpointStats are the numbers of one endpoint, since it came into use. They go
// on when SetEndpoints or Sync find it again, and are gone with it when they do
// not; the totals in Stats keep them.
type EndpointStats struct {
	Endpoint  string `json:"endpoint"`  // without credentials
	Pinned    bool   `json:"pinned"`    // calls begin with it, unless it is unhealthy
	Unhealthy bool   `json:"unhealthy"` // it failed, and is asked after all others

	Attempts  uint64 `json:"attempts"` // as in Stats, and so on
	Answered  uint64 `json:"answered"`
	Failed    uint64 `json:"failed"`
	IdlePolls uint64 `json:"idlePolls"`
	Cancelled uint64 `json:"cancelled"`

	BecameUnhealthy uint64 `json:"becameUnhealthy"` // how often it became unhealthy
	Probes          uint64 `json:"probes"`
	ProbesFailed    uint64 `json:"probesFailed"`

	LastFailure time.Time `json:"lastFailure,omitzero"` // of an attempt; zero: never
}

// StatsOf returns the numbers of a client that New has returned. It is false for any
// other, but looks through those that wrap one: by embedding a Client, or with a
// method Unwrap() Client. It may be called at any time, and does not delay calls.
func StatsOf(c Client) (Stats, bool) {
	own := ownClient(c)
	if own == nil {
		return Stats{}, false
	}
	return own.stats(), true
}

// totals are the counts of a client.
type totals struct {
	calls, callsFailed, unknown    atomic.Uint64
	attempts, redirects, failovers atomic.Uint64
	outcomes                       [outcomes]atomic.Uint64
	retries, watchRestarts         atomic.Uint64
	probes, probesFailed           atomic.Uint64
	syncs, syncsFailed             atomic.Uint64
}

// endpointCounts are the counts of an endpoint, shared with its successors.
type endpointCounts struct {
	attempts, becameUnhealthy atomic.Uint64
	outcomes                  [outcomes]atomic.Uint64
	probes, probesFailed      atomic.Uint64
	lastFailure               atomic.Int64 // in nanoseconds since 1970; 0: never
}

func (c *httpClusterClient) stats() Stats {
	t := &c.observer.totals
	s := Stats{
		CallsFailed: t.callsFailed.Load(), UnknownOutcomes: t.unknown.Load(), Redirects: t.redirects.Load(),
		Answered: t.outcomes[outcomeAnswered].Load(), Failed: t.outcomes[outcomeNext].Load() + t.outcomes[outcomeStop].Load(),
		IdlePolls: t.outcomes[outcomeIdle].Load(), Cancelled: t.outcomes[outcomeCancelled].Load(), Failovers: t.failovers.Load(),
		Retries: t.retries.Load(), WatchRestarts: t.watchRestarts.Load(),
		ProbesFailed: t.probesFailed.Load(), SyncsFailed: t.syncsFailed.Load(),
	}
	// After their outcomes.
	s.Attempts, s.Probes, s.Syncs = t.attempts.Load(), t.probes.Load(), t.syncs.Load()
	s.Calls = t.calls.Load()
	s.Requests = s.Attempts + s.Redirects
	view := c.pool.view()
	for _, ep := range view.given {
		e := ep.counts.stats()
		e.Endpoint, e.Pinned, e.Unhealthy = ep.name, ep == view.at(0), c.isUnhealthy(ep)
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}

func (n *endpointCounts) stats() EndpointStats {
	e := EndpointStats{
		Answered: n.outcomes[outcomeAnswered].Load(), Failed: n.outcomes[outcomeNext].Load() + n.outcomes[outcomeStop].Load(),
		IdlePolls: n.outcomes[outcomeIdle].Load(), Cancelled: n.outcomes[outcomeCancelled].Load(),
		BecameUnhealthy: n.becameUnhealthy.Load(), ProbesFailed: n.probesFailed.Load(),
	}
	e.Attempts, e.Probes = n.attempts.Load(), n.probes.Load()
	if at := n.lastFailure.Load(); at != 0 {
		e.LastFailure = time.Unix(0, at).UTC()
	}
	return e
}

// mostWrappings bounds how deep a client is looked for: one may wrap itself.
const mostWrappings = 100

// ownClient returns the client of New in c, or nil.
func ownClient(c Client) *httpClusterClient {
	for range mostWrappings {
		switch t := c.(type) {
		case nil:
			return nil
		case *httpClusterClient:
			return t
		case interface{ Unwrap() Client }:
			c = t.Unwrap()
		default:
			c = embeddedClient(reflect.ValueOf(c))
		}
	}
	return nil
}

// embeddedClient returns the Client that a struct embeds, at any depth, or nil.
func embeddedClient(v reflect.Value) Client {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		field := v.Field(i)
		switch {
		case !v.Type().Field(i).Anonymous:
		case field.Kind() != reflect.Interface:
			if c := embeddedClient(field); c != nil {
				return c
			}
		case field.CanInterface():
			if c, ok := reflect.TypeAssert[Client](field); ok {
				return c
			}
		}
	}
	return nil
}
