package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// An ackedWrite is a write that the cluster has acknowledged.
type ackedWrite struct {
	index uint64
	key   string
	value string
	at    time.Time
}

// A ledger is what the writers know.
type ledger struct {
	mu     sync.Mutex // guards the field below
	writes []ackedWrite
}

func (l *ledger) add(d ackedWrite) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, d)
}

func (l *ledger) all() []ackedWrite {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.writes)
}

// last gives the index of the last write of key, or of any where key is empty.
func (l *ledger) last(key string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range slices.Backward(l.writes) {
		if key == "" || d.key == key {
			return d.index
		}
	}
	return 0
}

// A loss is a part of the history of which there were no events.
type loss struct {
	after, upTo uint64
	snapshot    map[string]uint64 // what was there then, by modifiedIndex; nil: nobody told
}

// A trail is what one watch has seen. That it is whole shows in itself: each
// event has the node before it, which must be that of the event before.
type trail struct {
	name string
	key  string // the only key that is watched; empty: all that are visible

	mu     sync.Mutex // guards the fields below
	base   uint64     // what was until then was not watched
	last   uint64     // the index of the last event or snapshot
	state  map[string]uint64
	seen   map[uint64]sight
	losses []loss
	wrong  []string
	fails  int // errors that were not final
}

type sight struct {
	value string
	at    time.Time
}

// newTrail is for a watch of what comes after an index; 0 means from now on.
func newTrail(name, key string, after uint64) *trail {
	return &trail{name: name, key: key, base: after, last: after, state: map[string]uint64{}, seen: map[uint64]sight{}}
}

func (tr *trail) errorf(format string, args ...any) {
	if len(tr.wrong) < 5 {
		tr.wrong = append(tr.wrong, fmt.Sprintf(format, args...))
	}
}

func (tr *trail) event(index uint64, node, prev *client.Node) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.last == 0 {
		tr.base = index - 1
	}
	if index <= tr.last {
		tr.errorf("event %d of %s after %d", index, node.Key, tr.last)
	}
	if strings.Contains(node.Key, "/_") {
		tr.errorf("event %d of the hidden %s", index, node.Key)
	}
	var before uint64
	if prev != nil {
		before = prev.ModifiedIndex
	}
	known := tr.state[node.Key]
	if before != known && (before > tr.base || known > tr.base) {
		tr.errorf("event %d of %s follows on %d, and the one before was %d", index, node.Key, before, known)
	}
	tr.last = max(tr.last, index)
	tr.state[node.Key] = index
	tr.seen[index] = sight{node.Value, time.Now()}
}

// resync takes a snapshot: the trail goes on from it.
func (tr *trail) resync(index uint64, node *client.Node) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if index < tr.last {
		tr.errorf("snapshot of %d after %d", index, tr.last)
	}
	found := map[string]uint64{}
	collect(found, node)
	if tr.last > 0 {
		tr.losses = append(tr.losses, loss{tr.last, index, found})
	}
	tr.state, tr.last, tr.base = maps.Clone(found), index, 0
}

func collect(found map[string]uint64, n *client.Node) {
	if n == nil {
		return
	}
	if !n.Dir {
		found[n.Key] = n.ModifiedIndex
	}
	for _, child := range n.Nodes {
		collect(found, child)
	}
}

// cleared takes the word that events up to an index may be lost.
func (tr *trail) cleared(index uint64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if index < tr.last {
		tr.errorf("history lost up to %d, after %d", index, tr.last)
	}
	tr.losses = append(tr.losses, loss{after: tr.last, upTo: index})
	tr.last, tr.base = index, index
}

func (tr *trail) failed() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.fails++
}

// reached reports whether all up to an index has been seen, as far as is known.
func (tr *trail) reached(index uint64) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.last >= index
}

func (tr *trail) lost() []loss {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.losses)
}

func (tr *trail) follows(key string) bool {
	return !strings.Contains(key, "/_") && (tr.key == "" || tr.key == key)
}

// holes gives what is wrong with the trail, when it has reached the end.
func (tr *trail) holes(writes []ackedWrite) []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	start := tr.last
	for index := range tr.seen {
		start = min(start, index)
	}
	for _, d := range writes {
		if !tr.follows(d.key) || d.index < start {
			continue
		}
		got, ok := tr.seen[d.index]
		if ok && got.value == d.value {
			continue
		}
		if ok || !tr.isLost(d) {
			tr.errorf("no event %d of %s = %s, but %+v", d.index, d.key, d.value, got)
		}
	}
	return tr.wrong
}

func (tr *trail) isLost(d ackedWrite) bool {
	return slices.ContainsFunc(tr.losses, func(l loss) bool {
		return l.after < d.index && d.index <= l.upTo && (l.snapshot == nil || l.snapshot[d.key] >= d.index)
	})
}

// longest gives the longest time within a span for which the watch was silent
// though there was something to tell.
func (tr *trail) longest(writes []ackedWrite, from, to time.Time) time.Duration {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var longest time.Duration
	before := from
	for _, d := range writes {
		got, ok := tr.seen[d.index]
		if !ok {
			continue
		}
		since := d.at
		if since.Before(before) {
			since = before
		}
		if since.After(from) && since.Before(to) {
			longest = max(longest, got.at.Sub(since))
		}
		before = got.at
	}
	return longest
}
