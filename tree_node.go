package client

// openNode is a node that is being read.
type openNode struct {
	*Node
	strings span   // of a node in the slab
	alone   []Node // the node itself if it had to leave the slab
	isTop   bool   // in the decoder, and never in the slab
	hasKey  bool
}

// leaveSlab moves o out of the slab, whose place is free again.
func (d *treeDecoder) leaveSlab(o *openNode) {
	if o.isTop || o.alone != nil {
		return
	}
	o.alone = []Node{*o.Node}
	*o.Node = Node{}
	o.Node = &o.alone[0]
	at := o.strings
	d.alone = append(d.alone,
		aloneText{into: &o.Key, from: int(at.keyFrom), to: int(at.keyTo)},
		aloneText{into: &o.Value, from: int(at.valueFrom), to: int(at.valueTo)})
}

// read reads o, an object.
func (d *treeDecoder) read(o *openNode) bool {
	if d.peek() != '{' || !d.enter() {
		return false
	}
	for ok, first := true, true; ok; first = false {
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
	if d.peek() == 'n' {
		return d.null()
	}
	from, to, long, ok := d.share()
	o.hasKey = to > from || long != ""
	if long != "" {
		d.leaveSlab(o)
	}
	if o.isTop || o.alone != nil {
		d.alone = append(d.alone, aloneText{&o.Key, long, from, to})
	} else {
		o.strings.keyFrom, o.strings.keyTo = uint16(from), uint16(to)
	}
	return ok
}

func (d *treeDecoder) value(o *openNode) bool {
	if d.peek() == 'n' {
		return d.null()
	}
	from, to, long, ok := d.share()
	if long != "" {
		d.leaveSlab(o)
	}
	if o.isTop || o.alone != nil {
		d.alone = append(d.alone, aloneText{&o.Value, long, from, to})
	} else {
		o.strings.valueFrom, o.strings.valueTo = uint16(from), uint16(to)
	}
	return ok
}

// share reads a string into the block, or, if it is too long to share one, into
// memory of its own.
func (d *treeDecoder) share() (from, to int, long string, ok bool) {
	room := d.block[d.used:min(d.used+maxShared+8, len(d.block))]
	if d.peek() == '"' {
		rest := d.data[d.pos+1:]
		if n := copyPlain(room, rest); n >= 0 && n <= maxShared && rest[n] == '"' {
			d.pos += n + 2
			from = d.used
			d.used += n
			return from, d.used, "", true
		}
	}
	text, ok := d.text()
	if len(text) > maxShared || len(text) > len(room) {
		return 0, 0, string(text), ok
	}
	from = d.used
	d.used += copy(room, text)
	return from, d.used, "", ok
}

// expiration leaves the time to package time, as encoding/json does.
func (d *treeDecoder) expiration(o *openNode) bool {
	if d.peek() == 'n' {
		o.Expiration = nil
		return d.null()
	}
	raw, _, ok := d.quoted()
	if !ok {
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
	base := len(d.runs)
	count, ok := d.children()
	if !ok {
		return false
	}
	o.Nodes = make(Nodes, 0, count)
	for _, run := range d.runs[base:] {
		for i := range run {
			o.Nodes = append(o.Nodes, &run[i])
		}
	}
	clear(d.runs[base:])
	d.runs = d.runs[:base]
	return true
}

// children reads nodes up to the end of their array, and notes them as runs:
// leaves that follow each other do so in the slab too.
func (d *treeDecoder) children() (count int, ok bool) {
	slab, from := d.slab, d.inUse
	size := 0
	for {
		d.want(minNodeRoom)
		if !d.hasRoom() {
			d.note(slab[from:d.inUse])
			d.turn(d.rest(), size)
			slab, from = d.slab, 0
		}
		place, begin := d.inUse, d.pos
		o := openNode{Node: &slab[place]}
		if !d.read(&o) || !o.hasKey {
			return 0, false
		}
		if o.alone == nil {
			d.spans[place] = o.strings
			d.inUse++
		} else {
			d.note(slab[from:place])
			d.note(o.alone)
			slab, from = d.slab, d.inUse
		}
		size = d.pos - begin
		count++
		switch d.peek() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			d.depth--
			d.note(slab[from:d.inUse])
			return count, true
		default:
			return 0, false
		}
	}
}

// note adds to the children of the directory that was opened last.
func (d *treeDecoder) note(run []Node) {
	if len(run) > 0 {
		d.runs = append(d.runs, run)
	}
}
