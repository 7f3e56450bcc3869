package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultAutoSyncInterval = 10 * time.Second
	// firstSyncPause is how long AutoSync waits after a Sync that failed.
	firstSyncPause = time.Second
)

// Endpoints implements Client.
func (c *httpClusterClient) Endpoints() []string {
	view := c.pool.view()
	names := make([]string, len(view.given))
	for i, ep := range view.given {
		names[i] = ep.name
	}
	return names
}

// SetEndpoints implements Client.
func (c *httpClusterClient) SetEndpoints(eps []string) error {
	endpoints, err := parseEndpoints(eps)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ep := range endpoints {
		if i := slices.IndexFunc(c.configured, func(old *endpoint) bool { return old.origin() == ep.origin() }); i >= 0 && ep.login == nil {
			ep.login = c.configured[i].login
		}
	}
	c.configured = endpoints
	c.discovery = nil
	c.pool.replace(newEndpointList(endpoints, len(endpoints)))
	c.invalidateLeader()
	return nil
}

// Sync implements Client.
func (c *httpClusterClient) Sync(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	began := time.Now()
	err := c.sync(ctx)
	c.onSync(ctx, began, err, 0)
	return err
}

// sync does what Sync does, and says nothing of it.
func (c *httpClusterClient) sync(ctx context.Context) error {
	c.lookAgain(ctx, false, nil)
	for {
		configured := c.configuredEndpoints()
		list, err := c.listMembers(ctx)
		if errors.Is(err, ErrRedirectRefused) && !slices.Equal(c.configuredEndpoints(), configured) {
			continue // SetEndpoints has replaced the endpoint that was asked
		}
		if err != nil {
			return err
		}
		advertised := c.verified(ctx, list, c.usableEndpoints(list.members, configured), configured)
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(advertised) == 0 {
			return ErrNoEndpoints
		}
		if c.adopt(advertised, configured) {
			return nil
		}
		// SetEndpoints came in between: that may be another cluster.
	}
}

func (c *httpClusterClient) configuredEndpoints() []*endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.configured
}

// adopt replaces the endpoints in use by the advertised ones, the configured ones
// behind them, unless others have been configured meanwhile.
func (c *httpClusterClient) adopt(advertised, configured []*endpoint) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.configured, configured) {
		return false
	}
	first, behind := advertised, configured
	if c.discovery != nil {
		first, behind = configured, advertised // the records say what comes first
	}
	all := slices.Clone(first)
	for _, ep := range behind {
		all = appendNew(all, ep)
	}
	c.invalidateLeader()
	same := func(a, b *endpoint) bool { return a.name == b.name }
	if !slices.EqualFunc(all, c.pool.view().given, same) {
		c.pool.replace(c.newList(all, len(first)))
	}
	return true
}

// AutoSync implements Client.
func (c *httpClusterClient) AutoSync(ctx context.Context, interval time.Duration) error {
	if ctx == nil {
		return errNilContext
	}
	if interval <= 0 {
		interval = defaultAutoSyncInterval
	}
	pause := firstSyncPause
	for {
		began := time.Now()
		err := c.syncOnce(ctx)
		if err == nil {
			pause = firstSyncPause
			c.onSync(ctx, began, nil, 0)
			if err = c.sleepOrFailure(ctx, interval); err != nil {
				return err
			}
			continue
		}
		pause = min(pause, interval)
		c.onSync(ctx, began, err, pause)
		if err = sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

// syncOnce is a Sync that can't take longer than a client's own request may.
func (c *httpClusterClient) syncOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, DefaultRequestTimeout)
	defer cancel()
	return c.sync(ctx)
}

// sleepOrFailure waits for d, or for less when a call fails on all endpoints: it
// may be that the members have moved. It waits for a second in any case, so that
// failing calls don't make it spin.
func (c *httpClusterClient) sleepOrFailure(ctx context.Context, d time.Duration) error {
	c.allFailed.forget() // whatever was before this Sync
	least := min(d, firstSyncPause)
	if err := sleep(ctx, least); err != nil {
		return err
	}
	timer := time.NewTimer(d - least)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-c.allFailed:
	}
	return ctx.Err()
}

// Which of the client URLs that members advertise Sync adopts: those that can be
// meant for this client, that take no credentials and no request where the
// configured endpoints would not take them, and behind which the same cluster
// answers.

const (
	// adoptTimeout is how long an advertised endpoint has to show that it belongs to
	// the cluster; all of them together have twice as long.
	adoptTimeout = 2 * time.Second
	// maxAdoptChecks is how many endpoints are checked at a time.
	maxAdoptChecks = 8
	// maxAdvertised bounds the URLs of a member list that are looked at.
	maxAdvertised = 256
	// maxMemberListBytes bounds a member list that is read to compare clusters.
	maxMemberListBytes = 1 << 20
)

// memberList is a list of members, and which cluster it is of.
type memberList struct {
	members   []Member
	clusterID string // empty where the reply has no such header
}

// listMembers returns the members as one of the endpoints knows them. A list that
// a redirect fetched from another host is refused: nothing of it is adopted.
func (c *httpClusterClient) listMembers(ctx context.Context) (list memberList, err error) {
	before, from := c.pool.view(), ""
	act := &action{spec: requestSpec{method: http.MethodGet, path: membersPath}, class: classRead}
	list.members, err = call(ctx, c, act, func(r *reply) ([]Member, error) {
		list.clusterID, from = r.get(headerClusterID), r.endpoint
		return decodeMembers(r)
	})
	if err != nil {
		return memberList{}, err
	}
	ep, err := parseEndpoint(from)
	if err != nil {
		return memberList{}, err
	}
	if origin := ep.origin(); before.find(origin) < 0 && c.pool.view().find(origin) < 0 {
		return memberList{}, fmt.Errorf("%w: the list of members is from %s, which is none of the endpoints", ErrRedirectRefused, origin)
	}
	return list, nil
}

// usableEndpoints returns endpoints for the client URLs that may be adopted. One
// that was configured is returned as configured, with its credentials.
func (c *httpClusterClient) usableEndpoints(members []Member, configured []*endpoint) []*endpoint {
	rules := c.adoptRules(configured)
	var usable []*endpoint
	looked := 0
	for _, m := range members {
		for _, clientURL := range m.ClientURLs {
			if looked++; looked > maxAdvertised {
				return usable
			}
			ep, err := parseEndpoint(clientURL)
			if err != nil {
				continue // others are left, and the configured ones in any case
			}
			if i := slices.IndexFunc(configured, func(known *endpoint) bool { return known.origin() == ep.origin() }); i >= 0 {
				usable = appendNew(usable, configured[i])
				continue
			}
			if rules.allow(ep) {
				ep.login, ep.rank = rules.login, unannounced
				usable = appendNew(usable, ep)
			}
		}
	}
	return usable
}

// adoptRules are what the configured endpoints have in common, and what adopted
// ones must therefore keep to.
type adoptRules struct {
	login       *login // of all configured endpoints; nil: Config's
	sameLogin   bool   // they have the same credentials, or all none
	plain       bool   // requests may go without encryption
	sockets     bool   // the members' sockets may be on this machine
	thisMachine bool   // loopback addresses of members are those of this machine
}

func (c *httpClusterClient) adoptRules(configured []*endpoint) adoptRules {
	rules := adoptRules{login: configured[0].login, sameLogin: true}
	hasLogin := false
	for _, ep := range configured {
		authorization := c.authorizationFor(ep)
		rules.sameLogin = rules.sameLogin && authorization == c.authorizationFor(configured[0])
		rules.sockets = rules.sockets || isSocketScheme(ep.base.Scheme)
		rules.thisMachine = rules.thisMachine || ep.isLoopback()
		hasLogin = hasLogin || authorization != ""
	}
	for _, ep := range configured {
		// Credentials that were for a socket don't go over the network in the clear.
		rules.plain = rules.plain || ep.base.Scheme == schemeHTTP || ep.base.Scheme == "unix" && !hasLogin
	}
	return rules
}

// authorizationFor returns the header field that requests to ep carry; empty: none.
func (c *httpClusterClient) authorizationFor(ep *endpoint) string {
	if l := ep.effectiveLogin(c.exchange.login); l != nil {
		return l.header
	}
	return ""
}

// allow reports whether ep, which is none of the configured endpoints, may be
// adopted if it belongs to the cluster.
func (r *adoptRules) allow(ep *endpoint) bool {
	switch {
	case !r.sameLogin, ep.isUnroutable():
		return false
	case isSocketScheme(ep.base.Scheme):
		return r.sockets
	default:
		return (r.plain || isEncrypted(&ep.base)) && (r.thisMachine || !ep.isLoopback())
	}
}

// verified returns those of the endpoints that answer: a configured one a GET
// /health, any other as a member of the cluster that the list is of.
func (c *httpClusterClient) verified(ctx context.Context, list memberList, endpoints, configured []*endpoint) []*endpoint {
	ctx, cancel := context.WithTimeout(ctx, 2*adoptTimeout)
	defer cancel()
	belongs := make([]bool, len(endpoints))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(maxAdoptChecks, len(endpoints)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(endpoints) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if ep := endpoints[i]; slices.Contains(configured, ep) {
					p, _ := c.prober.ask(ctx, ep, adoptTimeout)
					belongs[i] = p == probeGood || p == probeNoQuorum
				} else {
					belongs[i] = c.belongsTo(ctx, ep, list)
				}
			}
		})
	}
	workers.Wait()
	var all []*endpoint
	for i, ep := range endpoints {
		if belongs[i] {
			all = append(all, ep)
		}
	}
	return all
}

// belongsTo asks ep for the members, without credentials, and reports whether the
// reply is of the same cluster as the list: the cluster's ID is the same, or where
// a header lacks it, a member's.
func (c *httpClusterClient) belongsTo(ctx context.Context, ep *endpoint, list memberList) bool {
	ctx, cancel := context.WithTimeout(ctx, adoptTimeout)
	defer cancel()
	u := ep.base
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/")+membersPath, ep.path+membersPath
	req := (&http.Request{Method: http.MethodGet, URL: &u, Host: ep.host, Header: http.Header{"User-Agent": {probeUserAgent}}}).WithContext(ctx)
	resp, err := c.exchange.transport.RoundTrip(req)
	if err != nil || resp == nil {
		return false
	}
	var body []byte
	if resp.Body != nil {
		defer closeQuietly(resp.Body)
		body, err = readWithin(resp.Body, resp.ContentLength, maxMemberListBytes)
	}
	if err != nil || resp.StatusCode >= http.StatusInternalServerError || isRedirection(resp.StatusCode) {
		return false
	}
	// A server that refuses the list without credentials names its cluster all the
	// same.
	if id := resp.Header.Get(headerClusterID); id != "" && list.clusterID != "" {
		return id == list.clusterID
	}
	var theirs struct {
		Members []struct {
			ID string `json:"id"`
		} `json:"members"`
	}
	if !isSuccess(resp.StatusCode) || json.Unmarshal(body, &theirs) != nil {
		return false
	}
	for _, m := range theirs.Members {
		if slices.ContainsFunc(list.members, func(ours Member) bool { return m.ID != "" && strings.EqualFold(ours.ID, m.ID) }) {
			return true
		}
	}
	return false
}
