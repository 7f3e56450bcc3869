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

	// maxShared is the length from which on a string is alone: what is longer
	// would keep much alive for a neighbour, and fill a block for itself.
	maxShared = 512

	// minNodeBytes is less than any child's JSON that a server writes.
	minNodeBytes = 48

	// maxPooledAlone is how many strings of nodes out of the slab are worth
	// keeping room for.
	maxPooledAlone = 1024

	// maxTimes is how many times one allocation holds at most.
	maxTimes = 64
)

// nodeStore gives nodes and their strings memory: many at once, and yet so that
// nodes keep little of each other alive.
//
// Leaves come from slabs of at most maxSlab nodes, and the strings of a slab
// from one block of at most blockSize bytes: text is collected until either is
// full, and becomes one string of exactly its length. Alone are nodes with
// children, which would keep these alive for the leaves of their slab, and nodes
// with a string longer than maxShared; so is such a string. Whoever keeps a
// leaf keeps at most its slab (24 KiB), its slab's block (16 KiB) and the times
// in it (9 KiB): no more than 50 KiB, however large the reply was, beside the
// node's own long strings. A directory keeps what is below it, and as much for
// its name and for each slab of its leaves.
type nodeStore struct {
	block [blockSize]byte
	used  int // of block
	slab  []Node
	inUse int           // of slab
	spans [maxSlab]span // where in block the strings of slab's nodes are
	alone []aloneText
	last  int // the capacity of the slab before
	times []time.Time
}

// span is where a node's strings are in block.
type span struct{ keyFrom, keyTo, valueFrom, valueTo uint16 }

// aloneText is a string of a node out of the slab: long, or from and to in block.
type aloneText struct {
	into     *string
	long     string
	from, to int
}

// hasRoom reports whether another node fits into the slab, and its strings into
// the block.
func (s *nodeStore) hasRoom() bool {
	return s.inUse < len(s.slab) && s.used <= len(s.block)-2*(maxShared+8)
}

// turn gives all nodes their strings, and a new slab. Of the body about rest
// bytes are left, in which a child takes about perChild; rest is negative where
// that is not known.
func (s *nodeStore) turn(rest, perChild int) {
	size := 2*s.last + 1
	if s.inUse < len(s.slab) { // the text was full first, and will be again
		size = s.inUse + s.inUse/8 + 1
	}
	size = min(max(size, minSlab), maxSlab)
	if rest >= 0 {
		size = min(size, rest/max(perChild, minNodeBytes)+1)
	}
	s.settle()
	s.slab, s.last = make([]Node, size), size
}

// settle gives the nodes of the slab and those alone their strings.
func (s *nodeStore) settle() {
	text := string(s.block[:s.used])
	for i := range s.slab[:s.inUse] {
		n, at := &s.slab[i], &s.spans[i]
		n.Key = text[at.keyFrom:at.keyTo]
		n.Value = text[at.valueFrom:at.valueTo]
	}
	for i := range s.alone {
		if a := &s.alone[i]; a.long != "" {
			*a.into = a.long
		} else {
			*a.into = text[a.from:a.to]
		}
	}
	clear(s.alone)
	s.alone, s.used = s.alone[:0], 0
	s.slab, s.inUse = s.slab[s.inUse:], 0
}

// newTime gives a time a place.
func (s *nodeStore) newTime() *time.Time {
	if len(s.times) == cap(s.times) {
		s.times = make([]time.Time, 0, min(max(1, 2*cap(s.times)), maxTimes))
	}
	s.times = s.times[:len(s.times)+1]
	return &s.times[len(s.times)-1]
}

// forget lets go of everything that was given away.
func (s *nodeStore) forget() {
	clear(s.alone)
	s.alone, s.used = s.alone[:0], 0
	if cap(s.alone) > maxPooledAlone {
		s.alone = nil
	}
	s.slab, s.inUse, s.last, s.times = nil, 0, 0, nil
}
