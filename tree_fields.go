package client

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

// next goes to the value of the next field of an object, or behind its end.
func (d *treeDecoder) next(first bool) field {
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
	name, ok := d.text()
	if !ok {
		return fieldBad
	}
	f := fieldOf(name)
	if !d.take(':') {
		return fieldBad
	}
	return f
}
