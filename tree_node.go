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
	first := !d.readQuickly(o)
	if !first && d.pos < len(d.data) && d.data[d.pos] == '}' { // as for most
		d.pos++
		d.depth--
		return true
	}
	if first && (d.peek() != '{' || !d.enter()) {
		return false
	}
	for ok := true; ok; first = false {
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
	d.setKey(o, from, to, long)
	return ok
}

func (d *treeDecoder) setKey(o *openNode, from, to int, long string) {
	o.hasKey = to > from || long != ""
	if long != "" {
		d.leaveSlab(o)
	}
	if o.isTop || o.alone != nil {
		d.alone = append(d.alone, aloneText{&o.Key, long, from, to})
	} else {
		o.strings.keyFrom, o.strings.keyTo = uint16(from), uint16(to)
	}
}

func (d *treeDecoder) value(o *openNode) bool {
	if d.peek() == 'n' {
		return d.null()
	}
	from, to, long, ok := d.share()
	d.setValue(o, from, to, long)
	return ok
}

func (d *treeDecoder) setValue(o *openNode, from, to int, long string) {
	if long != "" {
		d.leaveSlab(o)
	}
	if o.isTop || o.alone != nil {
		d.alone = append(d.alone, aloneText{&o.Value, long, from, to})
	} else {
		o.strings.valueFrom, o.strings.valueTo = uint16(from), uint16(to)
	}
}

// share reads a string into the block, or, if it is too long to share one, into
// memory of its own.
func (d *treeDecoder) share() (from, to int, long string, ok bool) {
	text, ok := d.text()
	if len(text) > maxShared || len(text) > len(d.block)-d.used {
		return 0, 0, string(text), ok
	}
	from = d.used
	d.used += copy(d.block[from:], text)
	return from, d.used, "", ok
}

// expiration leaves the time to package time, as encoding/json does.
func (d *treeDecoder) expiration(o *openNode) bool {
	if d.peek() == 'n' {
		o.Expiration = nil
		return d.null()
	}
	raw, _, _, ok := d.quoted()
	if !ok {
		return false
	}
	o.Expiration = d.newTime()
	return o.Expiration.UnmarshalJSON(d.data[d.pos-len(raw)-2:d.pos]) == nil
}
