package harness

import (
	"context"
	"errors"
	"sync"
)

// A partition is the members that are cut off from all others.
type partition struct {
	mu  sync.Mutex          // guards the field below and the members' id
	ids map[string]struct{} // hexadecimal, as in X-Server-From
}

// cuts reports whether the traffic between two members is cut. Who has not told
// its ID may be one that is cut off.
func (p *partition) cuts(from string, to *Member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, fromCut := p.ids[from]
	_, toCut := p.ids[to.id]
	return fromCut || toCut || from == "" && len(p.ids) > 0
}

func (p *partition) set(ids ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids = map[string]struct{}{}
	for _, id := range ids {
		p.ids[id] = struct{}{}
	}
}

// Partition cuts the member off from all its peers, in both directions, until
// Heal. Clients still reach it. It needs Options.Proxied. A second call cuts off
// another one in its place.
func (c *Cluster) Partition(m *Member) error {
	if !c.options.Proxied {
		return errors.New("harness: Partition needs Options.Proxied")
	}
	c.partition.set(m.id)
	for _, other := range c.members {
		other.peerProxy.resetCut()
	}
	return nil
}

// Heal ends all partitions.
func (c *Cluster) Heal() { c.partition.set() }

// learnID asks the member for its ID.
func (m *Member) learnID(ctx context.Context) error {
	if m.peerProxy == nil || m.id != "" {
		return nil
	}
	var self struct {
		ID string `json:"id"`
	}
	if err := m.getJSON(ctx, "/v2/stats/self", &self); err != nil {
		return err
	}
	m.cluster.partition.mu.Lock()
	defer m.cluster.partition.mu.Unlock()
	m.id = self.ID
	return nil
}
