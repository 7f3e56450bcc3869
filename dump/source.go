package dump

import (
	"context"
	"io"

	"github.com/coreos/etcd/client"
)

// nodes are those of a source, in tree order.
type nodes interface {
	// root is where they are.
	root() string
	// peek gives the next one; nil: there is none.
	peek() (*Node, error)
	// pop goes on behind it.
	pop()
	// ask looks for a hidden node that the other source has before the next one.
	ask(ctx context.Context, key string) error
}

// Store is what kapi has at and below root, a directory or file that may be
// missing. It is read with a quorum, by one request. Hidden nodes are asked for
// where hidden names them, and where the other source has them; they are not
// searched for.
func Store(kapi client.KeysAPI, root string, hidden ...string) Source {
	return Source{open: func(ctx context.Context) (nodes, error) {
		clean, set, err := checkSource(ctx, kapi, root, hidden)
		if err != nil {
			return nil, err
		}
		t, err := readTree(ctx, &store{kapi: kapi}, clean, set.sorted())
		if err != nil {
			return nil, err
		}
		return &storeNodes{tree: t}, nil
	}}
}

type storeNodes struct {
	tree *tree
	next *Node // nil: not known yet
}

func (s *storeNodes) root() string { return s.tree.root }

func (s *storeNodes) peek() (*Node, error) {
	if s.next == nil {
		if n := s.tree.peek(); n != nil {
			node := toNode(n)
			s.next = &node
		}
	}
	return s.next, nil
}

func (s *storeNodes) pop() {
	s.tree.pop()
	s.next = nil
}

func (s *storeNodes) ask(ctx context.Context, key string) error {
	s.next = nil
	return s.tree.ask(ctx, key)
}

// File is the first snapshot of the dump in r; changes behind it are not looked at.
func File(r io.Reader) Source {
	return Source{open: func(context.Context) (nodes, error) {
		if r == nil {
			return nil, isNil("Reader")
		}
		f := &fileNodes{lines: NewReader(r)}
		rec, err := f.lines.Next()
		if err != nil {
			return nil, err
		}
		f.header = *rec.Header
		return f, nil
	}}
}

type fileNodes struct {
	lines  *Reader
	header Header
	next   *Node // nil: not known yet
	over   bool
}

func (f *fileNodes) root() string { return f.header.Root }

func (f *fileNodes) peek() (*Node, error) {
	if f.next == nil && !f.over {
		rec, err := f.lines.Next()
		if err != nil {
			return nil, err
		}
		f.next, f.over = rec.Node, rec.Node == nil
	}
	return f.next, nil
}

func (f *fileNodes) pop() { f.next = nil }

func (f *fileNodes) ask(context.Context, string) error { return nil }

func (s Source) nodes(ctx context.Context) (nodes, error) {
	if ctx == nil {
		return nil, isNil("context")
	}
	if s.open == nil {
		return nil, &client.InvalidInputError{Field: "Source", Reason: "neither Store nor File made it"}
	}
	return s.open(ctx)
}
