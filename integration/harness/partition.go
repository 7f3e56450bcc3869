package harness

import (
	"context"
	"errors"
	"net/http"
	"strconv"
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
// Heal. Clients still reach it. It needs Options.Proxied or RawProxies. A second call cuts off
// another one in its place.
func (c *Cluster) Partition(m *Member) error {
	if !c.options.proxies() {
		return errors.New("harness: Partition needs Options.Proxied or RawProxies")
	}
	c.partition.set(m.id)
	for _, other := range c.members {
		other.peerProxy.resetCut()
	}
	return nil
}

// Heal ends all partitions.
func (c *Cluster) Heal() { c.partition.set() }

// learnID asks the member for its ID, by the gateway of the v3 API, which all
// versions have.
func (m *Member) learnID(ctx context.Context) error {
	if m.peerProxy == nil || m.id != "" {
		return nil
	}
	var status struct {
		Header struct {
			MemberID uint64 `json:"member_id,string"`
		} `json:"header"`
	}
	if err := m.askJSON(ctx, http.MethodPost, "/v3/maintenance/status", &status); err != nil {
		return err
	}
	m.cluster.partition.mu.Lock()
	defer m.cluster.partition.mu.Unlock()
	m.id = strconv.FormatUint(status.Header.MemberID, 16)
	return nil
}
