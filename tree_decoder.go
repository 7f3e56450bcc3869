package client

import (
	"io"
	"sync"
)

// maxPooledRuns is how many runs are worth keeping for the next reply.
const maxPooledRuns = 4096

// treeDecoder reads the replies of the keys API: a Response with its tree of
// Nodes, and no other document. The result is what encoding/json makes of the
// body, but that names match in their own case only, that a node named twice is
// the last one and not a mixture, and that a tree that is not whole is refused:
// see isWholeNode.
type treeDecoder struct {
	scanner
	nodeStore

	resp     Response
	node     Node
	prevNode Node
	runs     [][]Node // the children so far of all directories that are open
}

//nolint:gochecknoglobals // decoders are 60 KiB each, too much to make for each reply
var treeDecoders = sync.Pool{New: func() any {
	d := &treeDecoder{}
	d.window = make([]byte, windowSize)
	d.head = make([]byte, 0, maxBodyInError)
	return d
}}

// decodeTreeFrom reads body to its end, without ever holding the whole of it.
//
// Its errors are [ErrEmptyBody], [ErrInvalidJSON], an [ErrResponseTooLarge] for a
// body of more than limit bytes, and a bodyReadError for a body that broke off;
// with an error comes the beginning of the body. See nodeStore for how much of a
// reply each of its nodes keeps alive.
func decodeTreeFrom(body io.Reader, limit int64) (resp *Response, head []byte, err error) {
	d := treeDecoders.Get().(*treeDecoder)
	d.open(body, limit)
	resp, err = d.document()
	if err != nil {
		head = d.quote()
	}
	d.release()
	return resp, head, err
}

// decodeTreeBytes is decodeTreeFrom for a body at hand, of which nothing is kept.
func decodeTreeBytes(body []byte) (*Response, error) {
	d := treeDecoders.Get().(*treeDecoder)
	d.openBytes(body)
	resp, err := d.document()
	d.release()
	return resp, err
}

// release hands d to the next who needs one.
func (d *treeDecoder) release() {
	d.forget()
	treeDecoders.Put(d)
}

// forget lets go of everything that the next user of d must not see or keep alive.
func (d *treeDecoder) forget() {
	d.scanner.forget()
	d.nodeStore.forget()
	clear(d.runs) // those that an error left
	d.runs = d.runs[:0]
	if cap(d.runs) > maxPooledRuns {
		d.runs = nil
	}
	d.resp, d.node, d.prevNode = Response{}, Node{}, Node{}
}

// document reads the whole body.
func (d *treeDecoder) document() (*Response, error) {
	d.want(minNodeRoom) // most bodies are there as a whole then
	if d.peek() != '{' {
		if d.ends() {
			return nil, ErrEmptyBody
		}
		return nil, d.failure()
	}
	if !d.response() || !d.ends() {
		return nil, d.failure()
	}
	d.settle()
	switch {
	case d.resp.Node != nil && d.resp.PrevNode == nil:
		// Most replies are one node, and this is their only allocation but for text.
		one := &struct {
			Response
			node Node
		}{d.resp, d.node}
		one.Node = &one.node
		return &one.Response, nil
	case d.resp.Node != nil && isSmall(&d.node) && isSmall(&d.prevNode):
		two := &struct {
			Response
			node, prevNode Node
		}{d.resp, d.node, d.prevNode}
		two.Node, two.PrevNode = &two.node, &two.prevNode
		return &two.Response, nil
	default:
		return d.apart(), nil
	}
}

// isSmall reports whether n may be kept alive for another's sake.
func isSmall(n *Node) bool { return n.Nodes == nil && len(n.Key)+len(n.Value) <= maxShared }

// apart gives the nodes and the response an allocation each, so that whoever
// keeps one node does not keep the other.
func (d *treeDecoder) apart() *Response {
	resp := d.resp
	if resp.Node != nil {
		node := d.node
		resp.Node = &node
	}
	if resp.PrevNode != nil {
		prevNode := d.prevNode
		resp.PrevNode = &prevNode
	}
	return &resp
}

// response reads the document's object.
func (d *treeDecoder) response() bool {
	first := !d.readActionQuickly()
	if first && !d.enter() {
		return false
	}
	for ok := true; ok; first = false {
		switch d.next(first) {
		case fieldBad:
			return false
		case fieldEnd:
			return true
		case fieldAction:
			ok = d.action()
		case fieldNode:
			ok = d.top(&d.resp.Node, &d.node)
		case fieldPrevNode:
			ok = d.top(&d.resp.PrevNode, &d.prevNode)
		default:
			ok = d.skip()
		}
	}
	return false
}

// action reads what was done.
func (d *treeDecoder) action() bool {
	if d.peek() == 'n' {
		return d.null()
	}
	said, ok := d.text()
	if !ok {
		return false
	}
	d.setAction(said)
	return true
}

// setAction keeps a word. Those that servers say need no memory.
func (d *treeDecoder) setAction(said []byte) {
	action := &d.resp.Action
	switch string(said) {
	case "get":
		*action = "get"
	case "set":
		*action = "set"
	case "create":
		*action = "create"
	case "update":
		*action = "update"
	case "delete":
		*action = "delete"
	case "compareAndSwap":
		*action = "compareAndSwap"
	case "compareAndDelete":
		*action = "compareAndDelete"
	case "expire":
		*action = "expire"
	default:
		*action = string(said)
	}
}

// top reads the node or the previous one, and has *to point to it.
func (d *treeDecoder) top(to **Node, n *Node) bool {
	d.want(minNodeRoom)
	if *to != nil { // the name comes twice
		d.settle()
		*to, *n = nil, Node{}
	}
	if d.peek() == 'n' {
		return d.null()
	}
	*to = n
	o := openNode{Node: n, isTop: true}
	return d.read(&o) && (o.hasKey || o.Dir)
}
