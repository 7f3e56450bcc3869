package concurrency

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/coreos/etcd/client"
)

// The directories of a queue. A claim has the name of its item.
const (
	itemsDir  = "items"
	claimsDir = "claims"
)

// maxSpread bounds how many of the first free items a consumer chooses from that
// keeps losing races. 16 consumers that do nothing else send 1.3 claims for an item
// with it, and 13 where all go for the first.
const maxSpread = 32

// place is where an item stands in a queue. The index, at which it was created,
// is the order.
type place struct {
	id    string
	index uint64
}

func (p place) compare(other place) int { return cmp.Compare(p.index, other.index) }

// places is the local view of a queue: which items nobody has claimed, in their
// order. It holds names only. Events tell it of everything, so it is never listed
// again, but it is always a little behind: who takes a place may find it claimed.
type places struct {
	root string        // the queue's directory, "/a/b"
	done chan struct{} // closed when follow has ended

	mu      sync.Mutex // guards the fields below
	items   map[string]uint64
	claims  map[string]bool
	free    []place       // without a claim and not taken, in order
	spread  int           // how many of the first free ones take chooses from
	changed chan struct{} // closed when there is more to take, or an err
	err     error         // why follow has ended
}

func newPlaces(root string) *places {
	p := &places{root: root, done: make(chan struct{}), spread: 1, changed: make(chan struct{})}
	p.clear()
	return p
}

func (p *places) clear() {
	p.items, p.claims, p.free = map[string]uint64{}, map[string]bool{}, nil
}

// follow keeps the view up to date until ctx ends, or an error comes that will
// not go away.
func (p *places) follow(ctx context.Context, kapi client.KeysAPI) {
	defer close(p.done)
	for event, err := range client.Events(ctx, kapi, p.root, &client.EventsOptions{Recursive: true, Snapshot: true}) {
		if err == nil {
			err = p.apply(event)
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			p.end(err)
			return
		}
	}
}

func (p *places) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	p.wake()
}

func (p *places) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

// apply does what an event says.
func (p *places) apply(event *client.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	had := len(p.free)
	err := p.note(event)
	if len(p.free) > had {
		p.wake()
	}
	return err
}

// wake lets those who wait look again. p.mu is held.
func (p *places) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *places) note(event *client.Event) error {
	if event.Kind == client.EventResync {
		p.clear()
		for n := range event.Node.Leaves() {
			if err := p.write(n); err != nil {
				return err
			}
		}
		p.wake() // as many may be free as before, and others
		return nil
	}
	switch {
	case event.IsWrite():
		return p.write(event.Node)
	case event.IsDelete():
		p.remove(event.Node.Key)
	}
	return nil
}

func (p *places) write(n *client.Node) error {
	rest, inside := strings.CutPrefix(n.Key, p.root+"/")
	if !inside {
		return &client.InvalidInputError{
			Field: "queue", Value: p.root,
			Reason: fmt.Sprintf("the server calls it otherwise: what is in it has the key %q", n.Key),
		}
	}
	dir, id, _ := strings.Cut(rest, "/")
	switch {
	case id == "" || strings.Contains(id, "/"):
		return nil
	case n.Dir:
		p.remove(n.Key)
		return nil
	}
	id = strings.Clone(id) // not the whole reply is to stay in memory
	switch dir {
	case itemsDir:
		p.withdraw(id)
		p.items[id] = n.CreatedIndex
	case claimsDir:
		p.claims[id] = true
	}
	p.offer(id)
	return nil
}

func (p *places) remove(key string) {
	rest, inside := strings.CutPrefix(key+"/", p.root+"/")
	dir, id, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	switch {
	case strings.HasPrefix(p.root+"/", key+"/"): // the queue itself, or a directory that it is in
		p.clear()
	case !inside: // a server may report the deletion of /a to a late watcher of /ab
	case dir == itemsDir && id == "":
		p.items, p.free = map[string]uint64{}, nil
	case dir == itemsDir:
		p.withdraw(id)
		delete(p.items, id)
	case dir == claimsDir && id == "":
		p.claims = map[string]bool{}
		for other := range p.items {
			p.offer(other)
		}
	case dir == claimsDir:
		delete(p.claims, id)
		p.offer(id)
	}
}

// offer makes free what nobody has claimed, and what is claimed not.
func (p *places) offer(id string) {
	index, exists := p.items[id]
	if !exists {
		return
	}
	at, found := slices.BinarySearchFunc(p.free, place{id, index}, place.compare)
	switch claimed := p.claims[id]; {
	case claimed && found:
		p.free = slices.Delete(p.free, at, at+1)
	case !claimed && !found:
		p.free = slices.Insert(p.free, at, place{id, index})
	}
}

// withdraw takes an item off the free ones.
func (p *places) withdraw(id string) {
	if at, found := slices.BinarySearchFunc(p.free, place{id, p.items[id]}, place.compare); found {
		p.free = slices.Delete(p.free, at, at+1)
	}
}

// wait waits for a free place and takes it off the view.
func (p *places) wait(ctx context.Context) (place, error) {
	for ctx.Err() == nil {
		taken, changed, err := p.take()
		if changed == nil {
			return taken, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return place{}, ctx.Err()
}

// take takes the first free place, or one behind it if races for it were lost:
// consumers that all go for the same one get one item for many requests. Without
// any it gives a channel that is closed when to look again.
func (p *places) take() (taken place, changed <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.err != nil:
		return place{}, nil, p.err
	case len(p.free) == 0:
		return place{}, p.changed, nil
	}
	at := rand.IntN(min(p.spread, len(p.free))) //nolint:gosec // no secret: it is to differ from others' choice
	taken = p.free[at]
	p.free = slices.Delete(p.free, at, at+1)
	return taken, nil, nil
}

// won and lost are told how a race for a place went. What was lost comes back
// with the event by which the other's claim goes.
func (p *places) won() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spread = max(1, p.spread-1)
}

func (p *places) lost() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spread = min(maxSpread, 2*p.spread)
}

// putBack frees a place for which no race was run to its end.
func (p *places) putBack(taken place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.items[taken.id] == taken.index {
		p.offer(taken.id)
		p.wake()
	}
}
