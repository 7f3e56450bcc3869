package client

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"
)

// Node is a file or a directory of the key space. Nodes of one reply share
// memory: one that is kept keeps up to 50 KiB of its reply alive, besides its own
// text and, of a directory, what is below.
type Node struct {
	// Key is the node's path, beginning with a slash; empty for the root.
	Key string `json:"key"`

	// Dir is true for a directory.
	Dir bool `json:"dir,omitempty"`

	// Value is what a file holds; empty for a directory.
	Value string `json:"value"`

	// Nodes are a directory's children, with their own where the call was
	// recursive. Hidden ones are left out.
	Nodes Nodes `json:"nodes"`

	// CreatedIndex is the store's index at which the node came to be.
	CreatedIndex uint64 `json:"createdIndex"`

	// ModifiedIndex is the store's index of the last change.
	ModifiedIndex uint64 `json:"modifiedIndex"`

	// Expiration is when the node goes away, by the server's clock; nil: never.
	Expiration *time.Time `json:"expiration,omitempty"`

	// TTL is the time left until then in seconds when the server answered; zero
	// for a node that does not expire.
	TTL int64 `json:"ttl,omitempty"`
}

// String returns key, indexes and TTL, and not the value.
func (n *Node) String() string {
	if n == nil {
		return "<nil>"
	}
	return fmt.Sprintf("{Key: %s, CreatedIndex: %d, ModifiedIndex: %d, TTL: %d}", n.Key, n.CreatedIndex, n.ModifiedIndex, n.TTL)
}

// TTLDuration returns TTL as a duration.
func (n *Node) TTLDuration() time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(n.TTL) * time.Second
}

// Nodes are nodes that package sort can order by key.
type Nodes []*Node

// Len implements sort.Interface.
func (ns Nodes) Len() int { return len(ns) }

// Less implements sort.Interface: by key, byte by byte.
func (ns Nodes) Less(i, j int) bool { return ns[i].Key < ns[j].Key }

// Swap implements sort.Interface.
func (ns Nodes) Swap(i, j int) { ns[i], ns[j] = ns[j], ns[i] }

// Walk calls visit with n and with every node below it that n holds, each
// directory before what is in it, in the order of the Nodes: a Get with Recursive
// and Sort returns all, by key. It sends nothing.
//
// It stops at the first error and returns it, with two exceptions, as fs.WalkDir does:
// [fs.SkipDir] leaves out what is below a directory, or returned for a file the
// rest of the directory that it is in; [fs.SkipAll] ends the walk, and Walk returns
// nil. A nil n and nil Nodes are skipped. Trees may be of any depth.
func (n *Node) Walk(visit func(*Node) error) error {
	if n == nil {
		return nil
	}
	var open []Nodes // of each directory on the way down, what is to be visited yet
	for next := (Nodes{n}); ; {
		for len(next) > 0 && next[0] == nil {
			next = next[1:]
		}
		if len(next) == 0 {
			if len(open) == 0 {
				return nil
			}
			next, open = open[len(open)-1], open[:len(open)-1]
			continue
		}
		node, siblings := next[0], next[1:]
		switch err := visit(node); {
		case err == nil:
			open, next = append(open, siblings), node.Nodes
		case errors.Is(err, fs.SkipAll):
			return nil
		case !errors.Is(err, fs.SkipDir):
			return err
		case node.Dir:
			next = siblings
		default:
			next = nil
		}
	}
}

// All returns n and every node below it that n holds, in the order of [Node.Walk].
func (n *Node) All() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		_ = n.Walk(func(node *Node) error { //nolint:errcheck // it is SkipAll or nil
			if !yield(node) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

// Leaves returns the files among [Node.All], n itself if it is one. A directory is
// no leaf, even where it is empty or was not read.
func (n *Node) Leaves() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for node := range n.All() {
			if !node.Dir && !yield(node) {
				return
			}
		}
	}
}

// ResumeIndex returns the AfterIndex for a Watcher or for Events with which nothing
// is missed that r does not show, and nothing comes that it does.
//
//   - For a Get, of whatever kind, it is Index: r shows the store as it was then,
//     be it behind or not. ModifiedIndex is not enough: it is older for a node that
//     nobody has written lately, and falls out of the server's history; and that
//     of a directory does not change with what is in it.
//   - For a write, and for an event, it is Node.ModifiedIndex. Index won't do: that
//     of an event is the store's when the watch was taken, so the events between
//     would be missed, or come twice.
//   - For a write with NoValueOnSuccess it is Index, which is the write's own.
//
// A Get whose Index a proxy has dropped has the greatest ModifiedIndex in it
// instead: events may then come that it shows. ResumeIndex is never zero, which
// would mean to watch from now on: where nothing is known it is 1, with which a
// watch begins at the beginning, or ends with the error that the history is gone.
//
// An error of Get has no Response; that a key is missing is as of [Error].Index.
func (r *Response) ResumeIndex() uint64 {
	switch {
	case r == nil:
		return 1
	case r.Node != nil && r.Action != "get":
		return max(r.Node.ModifiedIndex, 1)
	case r.Index > 0:
		return r.Index
	}
	index := uint64(1)
	for n := range r.Node.All() {
		index = max(index, n.ModifiedIndex)
	}
	return index
}
