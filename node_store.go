package client

import "time"

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
