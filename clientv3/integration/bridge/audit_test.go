package bridge

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/coreos/etcd/clientv3"
)

// A history is all that has happened in the v3 store.
type history struct {
	*load
	events []*clientv3.Event            // keys of v2, as the prefix is taken off
	left   map[string]*mvccpb.KeyValue  // what is there in the end
	puts   map[string][]*clientv3.Event // by key
}

// audit compares what callers were told with what has happened.
func audit(l *load) {
	l.Helper()
	h := l.history()
	h.checkTree()
	h.checkJobs()
	h.checkCreations()
	h.checkSets()
	h.checkCounter()
	h.checkTokens()
	h.checkHeld()
	h.checkWatches()
}

// history reads all, up to the end key.
func (l *load) history() *history {
	l.Helper()
	h := &history{load: l, left: map[string]*mvccpb.KeyValue{}, puts: map[string][]*clientv3.Event{}}
	for r := range l.client().Watch(l.ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(1)) {
		if r.Err() != nil {
			l.Fatal(r.Err())
		}
		for _, ev := range r.Events {
			key := strings.TrimPrefix(string(ev.Kv.Key), prefix)
			if key == endKey {
				return h
			}
			ev.Kv.Key = []byte(key)
			h.events = append(h.events, ev)
			if ev.Type == clientv3.EventTypeDelete {
				delete(h.left, key)
				continue
			}
			h.left[key] = ev.Kv
			h.puts[key] = append(h.puts[key], ev)
		}
	}
	l.Fatal("the history has no end")
	return nil
}

// checkTree checks that at no revision there was a node without its directory, or one
// that was a file and a directory.
func (h *history) checkTree() {
	h.Helper()
	there := map[string]bool{}
	for from := 0; from < len(h.events); {
		to, revision := from, h.events[from].Kv.ModRevision
		for ; to < len(h.events) && h.events[to].Kv.ModRevision == revision; to++ {
			ev := h.events[to]
			there[string(ev.Kv.Key)] = ev.Type == clientv3.EventTypePut
		}
		for _, ev := range h.events[from:to] {
			if fault := faultAt(there, string(ev.Kv.Key)); fault != "" {
				h.Errorf("at revision %d: %s", revision, fault)
			}
		}
		from = to
	}
}

// faultAt says what is wrong with a key that has just changed. A directory's key ends
// in a slash; what follows a NUL is not a node.
func faultAt(there map[string]bool, key string) string {
	if !there[key] {
		if strings.HasSuffix(key, "/") {
			for other, is := range there {
				if is && strings.HasPrefix(other, key) {
					return fmt.Sprintf("%q is gone, and %q is there", key, other)
				}
			}
		}
		return ""
	}
	node, _, _ := strings.Cut(strings.TrimSuffix(key, "/"), "/\x00")
	if there[node] && there[node+"/"] {
		return fmt.Sprintf("%q is a file and a directory", node)
	}
	if node != key && !there[node+"/"] {
		return fmt.Sprintf("%q is no directory, and has %q", node, key)
	}
	for at := strings.LastIndex(node, "/"); at > 0; at = strings.LastIndex(node[:at], "/") {
		if above := node[:at]; !there[above+"/"] || there[above] {
			return fmt.Sprintf("%q is there, and %q is no directory", key, above)
		}
	}
	return ""
}

// checkJobs checks that each creation was done at most once, and once if it was
// acknowledged, and that the names are in order: what began when another had been
// acknowledged is greater.
func (h *history) checkJobs() {
	h.Helper()
	names := map[string][]string{} // by value
	for key, puts := range h.puts {
		name, is := strings.CutPrefix(key, queueDir+"/")
		if !is || name == "" || name == "\x00" {
			continue
		}
		if len(puts) > 1 {
			h.Errorf("the name %s was given %d times", key, len(puts))
		}
		names[string(puts[0].Kv.Value)] = append(names[string(puts[0].Kv.Value)], key)
	}
	slices.SortFunc(h.jobs.writes, func(a, b write) int { return strings.Compare(b.key, a.key) })
	ended := int64(math.MaxInt64) // the first of those with a greater name
	for _, w := range h.jobs.writes {
		h.checkOnce(w, names[w.value])
		if w.outcome != acknowledged {
			continue
		}
		if w.began > ended {
			h.Errorf("%s was created when a greater name had been given", w.key)
		}
		ended = min(ended, w.ended)
	}
	h.checkLeases(&h.jobs)
}

// checkOnce checks a write that must not be done twice.
func (h *history) checkOnce(w write, at []string) {
	h.Helper()
	switch {
	case len(at) > 1:
		h.Errorf("%q was written %d times: %q", w.value, len(at), at)
	case w.outcome == acknowledged && !slices.Equal(at, []string{w.key}):
		h.Errorf("%q was acknowledged as %s, and is at %q", w.value, w.key, at)
	case (w.outcome == noEffect || w.outcome == refused) && len(at) > 0:
		h.Errorf("%q is at %q, though its caller was told otherwise", w.value, at)
	}
}

func (h *history) checkCreations() {
	h.Helper()
	for _, w := range h.creations.writes {
		var at []string
		for _, put := range h.puts[w.key] {
			at = append(at, string(put.Kv.Key))
		}
		h.checkOnce(w, at)
	}
	h.checkLeases(&h.creations)
}

// checkSets checks that acknowledged sets were done. They may be done again, with what
// comes from it in the end.
func (h *history) checkSets() {
	h.Helper()
	for _, w := range h.sets.writes {
		done := slices.ContainsFunc(h.puts[w.key], func(put *clientv3.Event) bool { return string(put.Kv.Value) == w.value })
		if w.outcome == acknowledged && !done || w.outcome == noEffect && done {
			h.Errorf("%s: %q was done: %v; its caller was told otherwise", w.key, w.value, done)
		}
	}
	h.checkLeases(&h.sets)
}

// checkLeases checks that what is there of what was written with a TTL has one, and has
// not gone with a lease that was given up.
func (h *history) checkLeases(book *ledger) {
	h.Helper()
	for _, w := range book.writes {
		if w.outcome != acknowledged {
			continue
		}
		kv := h.left[w.key]
		switch {
		case kv == nil:
			h.Errorf("%s is gone", w.key)
		case (kv.Lease != 0) != (ttlOf(string(kv.Value)) > 0):
			h.Errorf("%s=%s has the lease %d", w.key, w.value, kv.Lease)
		}
	}
}

// checkCounter checks that it counts what was acknowledged, and no more than may have
// been done.
func (h *history) checkCounter() {
	h.Helper()
	counted, err := strconv.Atoi(string(h.left[counterKey].Value))
	least := h.swaps.count(acknowledged)
	if most := least + h.swaps.count(unknown); err != nil || counted < least || counted > most {
		h.Errorf("the counter is %d (%v); %d counts were acknowledged, and %d may have been done", counted, err, least, most)
	}
	if n := len(h.puts[counterKey]); n != counted+1 {
		h.Errorf("the counter is %d after %d writes", counted, n)
	}
}

// checkTokens checks that nobody was told what another was, and that what was taken is
// gone.
func (h *history) checkTokens() {
	h.Helper()
	takers := map[string]map[outcome]int{} // by key
	for _, w := range h.takings.writes {
		if takers[w.key] == nil {
			takers[w.key] = map[outcome]int{}
		}
		takers[w.key][w.outcome]++
	}
	for key, told := range takers {
		_, left := h.left[key]
		if told[acknowledged] > 1 || told[refused] > 0 && told[acknowledged]+told[unknown] == 0 ||
			left && told[acknowledged]+told[refused] > 0 || !left && told[acknowledged]+told[unknown] == 0 {
			h.Errorf("%s: left: %v; %d were told that they have it, %d that it is gone, %d nothing, %d that they failed",
				key, left, told[acknowledged], told[refused], told[unknown], told[noEffect])
		}
	}
}

// checkHeld checks that what was kept alive was never gone.
func (h *history) checkHeld() {
	h.Helper()
	for _, ev := range h.events {
		if strings.HasPrefix(string(ev.Kv.Key), heldDir) && ev.Type == clientv3.EventTypeDelete {
			h.Errorf("%s was gone at revision %d", ev.Kv.Key, ev.Kv.ModRevision)
		}
	}
}

// checkWatches checks that each watch told of all that was written, once and in order.
func (h *history) checkWatches() {
	h.Helper()
	var want following
	for _, ev := range h.events {
		key := string(ev.Kv.Key)
		if strings.HasPrefix(key, setsDir+"/") && !strings.HasSuffix(key, "/") && key != setsDir+"/begin" {
			want.tell(uint64(ev.Kv.ModRevision), key, string(ev.Kv.Value))
		}
	}
	for _, f := range h.watches {
		if f.err != nil {
			h.Errorf("%s: %v", f.name, f.err)
		}
		if diff := cmp.Diff(want.events, f.events); diff != "" {
			h.Errorf("%s (-what happened +what was told):\n%s", f.name, diff)
		}
	}
}
