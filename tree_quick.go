package client

// quickRoom is more than any name with its quotes, colon and number takes.
const quickRoom = 64

// readQuickly reads as much of o as is written exactly as servers write it: the
// fields in their order, no white space, plain strings. It stops between two
// fields at whatever is different, and is false if that is the first one: read
// takes what is left, and knows all forms.
func (d *treeDecoder) readQuickly(o *openNode) bool {
	if !d.begins(`{"key":"`) || d.depth >= maxDepth {
		return false
	}
	from, to := d.shareQuickly(d.pos + 8)
	if to < 0 {
		return false
	}
	d.depth++
	d.setKey(o, from, to, "")
	if d.begins(`,"value":"`) {
		if from, to = d.shareQuickly(d.pos + 10); to < 0 {
			return true
		}
		d.setValue(o, from, to, "")
	}
	if d.begins(`,"modifiedIndex"`) {
		if v, end := digitsAt(d.data, d.pos+17); end > d.pos+17 && d.data[d.pos+16] == ':' {
			o.ModifiedIndex = v
			d.pos = end
		}
	}
	if d.begins(`,"createdIndex":`) {
		if v, end := digitsAt(d.data, d.pos+16); end > d.pos+16 {
			o.CreatedIndex = v
			d.pos = end
		}
	}
	return true
}

// begins reports whether text comes next, and quickRoom bytes at least.
func (d *treeDecoder) begins(text string) bool {
	data := d.data[d.pos:]
	return len(data) >= quickRoom && string(data[:len(text)]) == text
}

// shareQuickly copies the string whose first byte is at i into the block, and
// goes behind its end. If it is not plain and short it goes nowhere, and to is -1.
func (d *treeDecoder) shareQuickly(i int) (from, to int) {
	rest := d.data[i:]
	n := copyPlain(d.block[d.used:min(d.used+maxShared+8, len(d.block))], rest)
	if n < 0 || n > maxShared || rest[n] != '"' {
		return 0, -1
	}
	from = d.used
	d.used += n
	d.pos = i + n + 1
	return from, d.used
}
