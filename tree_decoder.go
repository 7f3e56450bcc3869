package client

import (
	"io"
	"sync"
	"time"
)

// firstRead is how much of a body is read before it is looked at. A body that breaks
// off before that counts as broken off, whatever it began with.
const firstRead = 1 << 10

// treeDecoder reads the replies of the keys API: a Response with its tree of
// Nodes, and no other document. The result is what encoding/json makes of the
// body, with three differences: names match in their own case only, a node named
// twice is the last one and not a mixture, and a tree that is not whole is refused.
// In a whole tree each node but the root has a key.
type treeDecoder struct {
	scanner
	nodeStore

	resp     Response
	node     Node
	prevNode Node
	runs     runStack // the children so far of all directories that are open
}

//nolint:gochecknoglobals // decoders are 90 KiB each, too much to allocate for each reply
var treeDecoders = sync.Pool{New: func() any {
	d := &treeDecoder{}
	d.window = make([]byte, windowSize)
	d.head = make([]byte, 0, maxBodyInError)
	return d
}}

// decodeTreeFrom reads body to its end, without ever holding the whole of it.
//
// Its errors are [ErrEmptyBody], [ErrInvalidJSON], an [ErrResponseTooLarge] for a
// body of more than limit bytes or with more nodes than fit into about twice as
// much memory, and a bodyReadError for a body that broke off; with an error comes
// the beginning of the body. It allocates at most 2.2 times limit. See nodeStore for
// how much of a reply each of its nodes keeps alive.
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

// release returns d to the pool.
func (d *treeDecoder) release() {
	d.forget()
	treeDecoders.Put(d)
}

// forget drops everything that the next user of d must not see or keep alive.
func (d *treeDecoder) forget() {
	d.scanner.forget()
	d.nodeStore.forget()
	d.runs.forget()
	d.resp, d.node, d.prevNode = Response{}, Node{}, Node{}
}

// document reads the whole body.
func (d *treeDecoder) document() (*Response, error) {
	d.want(firstRead)
	if d.peek() != '{' {
		if d.ends() {
			return nil, ErrEmptyBody
		}
		return nil, d.failure()
	}
	if !d.response() || !d.ends() || !d.charge(d.used) {
		return nil, d.failure()
	}
	d.flush()
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
		return d.separate(), nil
	}
}

// isSmall reports whether n may be kept alive for another's sake.
func isSmall(n *Node) bool { return n.Nodes == nil && len(n.Key)+len(n.Value) <= maxShared }

// separate returns the response and its nodes in an allocation each, so that a
// program that keeps one node does not keep the other.
func (d *treeDecoder) separate() *Response {
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

// field is a name that the decoder knows.
type field int

const (
	fieldBad field = iota // no name where there should be one
	fieldEnd              // the end of the object
	fieldOther
	fieldAction
	fieldNode
	fieldPrevNode
	fieldKey
	fieldValue
	fieldDir
	fieldNodes
	fieldExpiration
	fieldTTL
	fieldModifiedIndex
	fieldCreatedIndex
)

func fieldOf(name []byte) field {
	switch string(name) {
	case "key":
		return fieldKey
	case "value":
		return fieldValue
	case "dir":
		return fieldDir
	case "nodes":
		return fieldNodes
	case "expiration":
		return fieldExpiration
	case "ttl":
		return fieldTTL
	case "modifiedIndex":
		return fieldModifiedIndex
	case "createdIndex":
		return fieldCreatedIndex
	case "action":
		return fieldAction
	case "node":
		return fieldNode
	case "prevNode":
		return fieldPrevNode
	}
	return fieldOther
}

// next moves to the value of the next field of an object, or behind its end.
func (d *treeDecoder) next(first bool) field {
	if f, size := commonField(d.data[d.pos:], first); size > 0 {
		d.pos += size
		return f
	}
	c := d.peek()
	if c == '}' {
		d.pos++
		d.depth--
		return fieldEnd
	}
	if !first {
		if c != ',' {
			return fieldBad
		}
		d.pos++
	}
	name, ok := d.name()
	if !ok {
		return fieldBad
	}
	f := fieldOf(name)
	if !d.take(':') {
		return fieldBad
	}
	return f
}

// commonField reads the fields that almost all bytes of a large reply belong to, in the
// form that servers write: without white space. size is 0 for any other text, which
// next reads.
func commonField(text []byte, first bool) (f field, size int) {
	const (
		key           = `"key":`
		value         = `,"value":`
		modifiedIndex = `,"modifiedIndex":`
		createdIndex  = `,"createdIndex":`
	)
	switch {
	case len(text) < len(modifiedIndex):
		return 0, 0
	case first:
		if string(text[:len(key)]) == key {
			return fieldKey, len(key)
		}
	case string(text[:len(value)]) == value:
		return fieldValue, len(value)
	case string(text[:len(modifiedIndex)]) == modifiedIndex:
		return fieldModifiedIndex, len(modifiedIndex)
	case string(text[:len(createdIndex)]) == createdIndex:
		return fieldCreatedIndex, len(createdIndex)
	}
	return 0, 0
}

// response reads the document's object.
func (d *treeDecoder) response() bool {
	if !d.enter() {
		return false
	}
	ok := true
	for first := true; ok; first = false {
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

// action reads what was done. The words of servers need no memory.
func (d *treeDecoder) action() bool {
	if d.peek() == 'n' {
		return d.null()
	}
	short, long, ok := d.text()
	action := &d.resp.Action
	switch string(short) {
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
	case "":
		*action = long
	default:
		*action = string(short)
	}
	return ok
}

// top reads the node or the previous one, and sets *to to it.
func (d *treeDecoder) top(to **Node, n *Node) bool {
	if *to != nil { // the name comes twice
		d.flush()
		*to, *n = nil, Node{}
	}
	if d.peek() == 'n' {
		return d.null()
	}
	*to = n
	o := openNode{Node: n, isTop: true}
	return d.read(&o) && (o.hasKey || o.Dir)
}

// openNode is a node that is being read.
type openNode struct {
	*Node
	strings  span   // of a node in the slab
	separate []Node // the node itself if it had to leave the slab
	isTop    bool   // in the decoder, and never in the slab
	hasKey   bool
}

// read reads o, an object.
func (d *treeDecoder) read(o *openNode) bool {
	if !d.isAt('{') && d.peek() != '{' || !d.enter() {
		return false
	}
	ok := true
	for first := true; ok; first = false {
		switch d.next(first) {
		case fieldBad:
			return false
		case fieldEnd:
			return true
		case fieldKey:
			ok = d.key(o)
		case fieldValue:
			ok = d.value(o)
		case fieldDir:
			ok = d.bool(&o.Dir)
		case fieldNodes:
			ok = d.nodes(o)
		case fieldExpiration:
			ok = d.expiration(o)
		case fieldTTL:
			ok = d.int64(&o.TTL)
		case fieldModifiedIndex:
			ok = d.uint64(&o.ModifiedIndex)
		case fieldCreatedIndex:
			ok = d.uint64(&o.CreatedIndex)
		default:
			ok = d.skip()
		}
	}
	return false
}

func (d *treeDecoder) key(o *openNode) bool {
	if !d.isAt('"') && d.peek() == 'n' {
		return d.null()
	}
	from, to, long, ok := d.share()
	o.hasKey = to > from || long != ""
	if long != "" {
		d.leaveSlab(o)
	}
	if o.isTop || o.separate != nil {
		d.own = append(d.own, ownString{&o.Key, long, from, to})
	} else {
		o.strings.keyFrom, o.strings.keyTo = uint16(from), uint16(to)
	}
	return ok
}

func (d *treeDecoder) value(o *openNode) bool {
	if !d.isAt('"') && d.peek() == 'n' {
		return d.null()
	}
	from, to, long, ok := d.share()
	if long != "" {
		d.leaveSlab(o)
	}
	if o.isTop || o.separate != nil {
		d.own = append(d.own, ownString{&o.Value, long, from, to})
	} else {
		o.strings.valueFrom, o.strings.valueTo = uint16(from), uint16(to)
	}
	return ok
}

// share reads a string into the block, or, if it is too long to share one, into
// memory of its own.
func (d *treeDecoder) share() (from, to int, long string, ok bool) {
	if d.isAt('"') { // most by far: plain ASCII, short, and at hand
		begin := d.pos + 1
		end, wide := stringEnd(d.data, begin)
		if end < len(d.data) && d.data[end] == '"' && !wide && end-begin <= min(maxShared, len(d.block)-d.used) {
			from = d.used
			d.used += copy(d.block[from:], d.data[begin:end])
			d.pos = end + 1
			return from, d.used, "", true
		}
	}
	short, long, ok := d.text()
	if long != "" || !ok {
		return 0, 0, long, ok
	}
	if len(short) > maxShared || len(short) > len(d.block)-d.used {
		return 0, 0, string(short), d.charge(len(short))
	}
	from = d.used
	d.used += copy(d.block[from:], short)
	return from, d.used, "", true
}

// leaveSlab moves o out of the slab, where its room is free again.
func (d *treeDecoder) leaveSlab(o *openNode) {
	if o.isTop || o.separate != nil {
		return
	}
	d.charge(nodeSize) // the caller goes on to what charges next
	o.separate = []Node{*o.Node}
	*o.Node = Node{}
	o.Node = &o.separate[0]
	at := o.strings
	d.own = append(d.own,
		ownString{into: &o.Key, from: int(at.keyFrom), to: int(at.keyTo)},
		ownString{into: &o.Value, from: int(at.valueFrom), to: int(at.valueTo)})
}

// expiration leaves the time to package time, as encoding/json does.
func (d *treeDecoder) expiration(o *openNode) bool {
	if d.peek() == 'n' {
		o.Expiration = nil
		return d.null()
	}
	raw, _, _, _, ok := d.quoted()
	if !ok || !d.charge(timeSize) {
		return false
	}
	o.Expiration = d.newTime()
	return o.Expiration.UnmarshalJSON(d.data[d.pos-len(raw)-2:d.pos]) == nil
}

// nodes reads the children of o.
func (d *treeDecoder) nodes(o *openNode) bool {
	if d.peek() == 'n' {
		o.Nodes = nil
		return d.null()
	}
	if d.peek() != '[' || !d.enter() {
		return false
	}
	if d.take(']') {
		d.depth--
		o.Nodes = Nodes{}
		return true
	}
	d.leaveSlab(o)
	base := d.runs.length
	count, ok := d.children()
	if !ok || !d.charge(count*pointerSize) {
		return false
	}
	o.Nodes = make(Nodes, 0, count)
	for at := base; at < d.runs.length; at++ {
		run := *d.runs.at(at)
		for i := range run {
			o.Nodes = append(o.Nodes, &run[i])
		}
	}
	d.runs.truncate(base)
	return true
}

// children reads nodes up to the end of their array, and notes them as runs:
// leaves that follow each other do so in the slab too.
func (d *treeDecoder) children() (count int, ok bool) {
	slab, from := d.slab, d.inUse
	perChild := 0
	for {
		if !d.hasRoom() {
			size := d.nextSize(d.remaining(), perChild)
			if !d.note(slab[from:d.inUse]) || !d.charge(size*nodeSize+d.used) {
				return 0, false
			}
			d.nextSlab(size)
			slab, from = d.slab, 0
		}
		i, begin := d.inUse, d.pos
		o := openNode{Node: &slab[i]}
		if !d.read(&o) || !o.hasKey {
			return 0, false
		}
		if o.separate == nil {
			d.spans[i] = o.strings
			d.inUse++
		} else {
			if !d.note(slab[from:i]) || !d.note(o.separate) {
				return 0, false
			}
			slab, from = d.slab, d.inUse
		}
		perChild = d.pos - begin
		count++
		switch d.peek() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			d.depth--
			return count, d.note(slab[from:d.inUse])
		default:
			return 0, false
		}
	}
}

// note adds to the children of the directory that was opened last.
func (d *treeDecoder) note(run []Node) bool {
	if len(run) == 0 {
		return true
	}
	return !d.runs.push(run) || d.charge(runChunk*runSize)
}

const (
	// A slab of nodes begins small, for a small directory, and doubles. Slabs are
	// one short of a round number: with what the allocator adds, 16 would not fit
	// where 15 do.
	minSlab = 15
	maxSlab = 255

	// blockSize is how much text one allocation holds at most.
	blockSize = 16 << 10

	// maxShared is the length from which on a string has an allocation of its own:
	// what is longer would keep much alive for a neighbour, and fill a block.
	maxShared = 512

	// minNodeBytes is less than any child's JSON that a server writes.
	minNodeBytes = 48

	// maxOwn is how many strings of nodes out of the slab wait to be set, as a rule.
	maxOwn = 1024

	// maxTimes is how many times one allocation holds at most, one short of a round
	// number as well.
	maxTimes = 63

	// What a Node, a pointer to one, a run of them and a time take on 64 bits.
	nodeSize    = 96
	pointerSize = 8
	runSize     = 24
	timeSize    = 24
)

// nodeStore allocates nodes and their strings: many at once, and yet so that nodes
// keep little of each other alive.
//
// Leaves come from slabs of at most maxSlab nodes, and the strings of a slab
// from one block of at most blockSize bytes: text is collected until either is
// full, and becomes one string of exactly its length. Separate are nodes with
// children, which would keep these alive for the leaves of their slab, and nodes
// with a string longer than maxShared; so is such a string. A program that keeps a
// leaf keeps at most its slab (24 KiB), its slab's block (16 KiB) and the times
// in it (2 KiB): no more than 50 KiB, however large the reply was, beside the
// node's own long strings. A directory keeps what is below it, and as much for
// its name and for each slab of its leaves.
type nodeStore struct {
	block [blockSize]byte
	used  int // of block
	slab  []Node
	inUse int           // of slab
	spans [maxSlab]span // where in block the strings of slab's nodes are
	own   []ownString
	last  int // the capacity of the slab before
	times []time.Time
}

// span is where a node's strings are in block.
type span struct{ keyFrom, keyTo, valueFrom, valueTo uint16 }

// ownString is a string of a node out of the slab: long, or from and to in block.
type ownString struct {
	into     *string
	long     string
	from, to int
}

// hasRoom reports whether another node fits into the slab, its strings into the
// block, and not too many strings wait.
func (s *nodeStore) hasRoom() bool {
	return s.inUse < len(s.slab) && s.used <= len(s.block)-2*maxShared && len(s.own) < maxOwn
}

// nextSlab sets the strings of all nodes, and allocates a new slab of size nodes.
func (s *nodeStore) nextSlab(size int) {
	s.flush()
	s.slab, s.last = make([]Node, size), size
}

// nextSize returns how many nodes the next slab is for. Of the body about remaining
// bytes are left, in which a child takes about perChild; remaining is negative where
// that is not known.
func (s *nodeStore) nextSize(remaining, perChild int) int {
	size := 2*s.last + 1
	if s.inUse < len(s.slab) { // something else was full first, and will be again
		size = s.inUse + s.inUse/8 + 1
	}
	size = min(max(size, minSlab), maxSlab)
	if remaining >= 0 {
		size = min(size, remaining/max(perChild, minNodeBytes)+1)
	}
	return size
}

// flush sets the strings of the nodes of the slab and of the separate ones.
func (s *nodeStore) flush() {
	text := string(s.block[:s.used])
	for i := range s.slab[:s.inUse] {
		n, at := &s.slab[i], &s.spans[i]
		n.Key = text[at.keyFrom:at.keyTo]
		n.Value = text[at.valueFrom:at.valueTo]
	}
	for i := range s.own {
		if o := &s.own[i]; o.long != "" {
			*o.into = o.long
		} else {
			*o.into = text[o.from:o.to]
		}
	}
	clear(s.own)
	s.own, s.used = s.own[:0], 0
	s.slab, s.inUse = s.slab[s.inUse:], 0
}

// newTime returns room for a time.
func (s *nodeStore) newTime() *time.Time {
	if len(s.times) == cap(s.times) {
		s.times = make([]time.Time, 0, min(max(1, 2*cap(s.times)), maxTimes))
	}
	s.times = s.times[:len(s.times)+1]
	return &s.times[len(s.times)-1]
}

// forget drops everything that the reply's nodes are part of.
func (s *nodeStore) forget() {
	clear(s.own)
	s.own, s.used = s.own[:0], 0
	if cap(s.own) > 2*maxOwn {
		s.own = nil
	}
	s.slab, s.inUse, s.last, s.times = nil, 0, 0, nil
}

const (
	// runChunk is how many runs one allocation holds.
	runChunk = 1024

	// maxPooledChunks is how many of these are worth keeping for the next reply.
	maxPooledChunks = 4
)

// runStack is a stack of runs: nodes that follow each other, in their directory as
// in memory. It grows by chunks, as doubling would take up to four times as much.
type runStack struct {
	chunks [][][]Node
	length int
}

// at returns the i-th run from the bottom.
func (s *runStack) at(i int) *[]Node { return &s.chunks[i/runChunk][i%runChunk] }

// push adds a run, and reports whether a chunk was allocated for it.
func (s *runStack) push(run []Node) (grown bool) {
	if s.length == len(s.chunks)*runChunk {
		s.chunks, grown = append(s.chunks, make([][]Node, runChunk)), true
	}
	s.length++
	*s.at(s.length - 1) = run
	return grown
}

// truncate drops the runs from length on.
func (s *runStack) truncate(length int) {
	for s.length > length {
		s.length--
		*s.at(s.length) = nil
	}
}

// forget drops all runs.
func (s *runStack) forget() {
	s.truncate(0)
	if len(s.chunks) > maxPooledChunks {
		s.chunks = nil
	}
}
