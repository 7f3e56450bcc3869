package client

import (
	"errors"
	"io/fs"
	"iter"
)

// Walk calls visit with n and with every node below it that n holds, each
// directory before what is in it, in the order of the Nodes: a Get with Recursive
// and Sort gives all, by key. It sends nothing.
//
// It stops at the first error and returns it, but for two, as fs.WalkDir does:
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
		node, rest := next[0], next[1:]
		switch err := visit(node); {
		case err == nil:
			open, next = append(open, rest), node.Nodes
		case errors.Is(err, fs.SkipAll):
			return nil
		case !errors.Is(err, fs.SkipDir):
			return err
		case node.Dir:
			next = rest
		default:
			next = nil
		}
	}
}

// All gives n and every node below it that n holds, in the order of [Node.Walk].
func (n *Node) All() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		_ = n.Walk(func(node *Node) error { //nolint:errcheck // it is SkipAll
			if !yield(node) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

// Leaves gives the files among [Node.All], n itself if it is one. A directory is
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
