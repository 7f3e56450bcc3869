package client

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
