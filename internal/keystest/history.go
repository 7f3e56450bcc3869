package keystest

import (
	"strings"

	"github.com/coreos/etcd/client"
)

// event is a write or an expiry as the history has it.
type event struct {
	action     string
	node, prev *client.Node
	silent     bool            // no watch is told of it, as of a refresh
	gone       map[string]bool // the keys that were removed by it
}

// response gives the event to a watch that was taken at an index, or to the writer.
func (ev *event) response(index uint64) *client.Response {
	return &client.Response{Action: ev.action, Node: copyNode(ev.node), PrevNode: copyNode(ev.prev), Index: index, ClusterID: ClusterID}
}

// copyNode copies a node that has no children.
func copyNode(n *client.Node) *client.Node {
	if n == nil {
		return nil
	}
	own := *n
	if n.Expiration != nil {
		at := *n.Expiration
		own.Expiration = &at
	}
	return &own
}

// publish gives an event its index, remembers it and passes it to those who wait.
func (s *Store) publish(ev *event) *client.Response {
	s.index++
	s.history = append(s.history, ev)
	limit := s.History
	if limit == 0 {
		limit = historySize
	}
	s.history = s.history[max(0, len(s.history)-limit):]
	for wt := range s.waiting {
		if !wt.deaf && wt.event == nil && s.index >= wt.w.next && wt.w.concerns(ev, true) {
			wt.event, wt.index = ev, s.index
			wt.rouse()
		}
	}
	return ev.response(s.index)
}

// scan gives the first event of the history that a watch waits for and its index, or
// false where the history does not reach back far enough.
func (s *Store) scan(w *watcher) (ev *event, index uint64, reaches bool) {
	oldest := s.oldest()
	if w.next < oldest {
		return nil, 0, false
	}
	for index = w.next; index <= s.index; index++ {
		if ev = s.history[index-oldest]; w.concerns(ev, false) {
			return ev, index, true
		}
	}
	return nil, 0, true
}

// oldest gives the index of the oldest event that is remembered.
func (s *Store) oldest() uint64 { return s.index + 1 - uint64(len(s.history)) }

// concerns reports whether an event is for a watch. When a directory is removed, the
// server tells those who wait at that moment for a key that was in it, and those who
// come later whether the key was there or not.
func (w *watcher) concerns(ev *event, waits bool) bool {
	if ev.silent {
		return false
	}
	switch key := ev.node.Key; {
	case key == w.key:
		return true
	case isBelow(key, w.key):
		return w.recursive && !strings.Contains(key[len(strings.TrimSuffix(w.key, "/")):], "/_")
	case isBelow(w.key, key):
		return ev.gone != nil && ev.prev.Dir && (!waits || ev.gone[w.key])
	}
	return false
}

func isBelow(key, dir string) bool {
	return key != dir && strings.HasPrefix(key, strings.TrimSuffix(dir, "/")+"/")
}
