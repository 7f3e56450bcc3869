package client

import (
	"context"
	"errors"
	"slices"
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

// sleep waits for d, or until ctx ends and then gives its error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ctx.Err()
	}
}
