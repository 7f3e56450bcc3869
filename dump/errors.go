package dump

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coreos/etcd/client"
)

// ErrTruncated means that a dump ends before the trailer of its snapshot. What is
// there may be right as far as it goes: see ImportOptions.Partial.
var ErrTruncated = errors.New("dump: truncated: it ends without a trailer")

// FormatError means that a line is not what a dump has there.
type FormatError struct {
	Line   int64  // beginning with 1
	Reason string // what is wrong
	Err    error  // what is behind it, such as a *json.SyntaxError; nil: nothing
}

// Error names the line and the reason.
func (e *FormatError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("dump: line %d: %s: %v", e.Line, e.Reason, e.Err)
	}
	return fmt.Sprintf("dump: line %d: %s", e.Line, e.Reason)
}

// Unwrap gives Err.
func (e *FormatError) Unwrap() error { return e.Err }

// StoreError means that a request to the store failed. errors.As finds the error
// of the KeysAPI in it. The errors of a context are returned bare.
type StoreError struct {
	Op  string // "get", "set", "delete" or "watch"
	Key string // of what
	Err error  // what the KeysAPI said
}

// Error names the request, the key and the reason.
func (e *StoreError) Error() string { return fmt.Sprintf("dump: %s %q: %v", e.Op, e.Key, e.Err) }

// Unwrap gives Err.
func (e *StoreError) Unwrap() error { return e.Err }

func isNil(field string) error {
	return &client.InvalidInputError{Field: field, Reason: "it is nil"}
}

// maxListed is how many conflicts or differences an error lists.
const maxListed = 20

// Conflict is a node that is in the way of one of a dump.
type Conflict struct {
	Key   string // in the store
	Dump  Node   // what the dump has there, by the key in the dump
	Store Node   // what the store has
}

// ConflictError means that nodes of the store were in the way, and were left as
// they are. All other nodes have been imported.
type ConflictError struct {
	Conflicts []Conflict // the first 20 that were met
	Total     int64      // how many there are
}

// Error gives the number and the first few keys.
func (e *ConflictError) Error() string {
	var b strings.Builder
	if e.Total == 1 {
		b.WriteString("dump: 1 node of the store is in the way")
	} else {
		fmt.Fprintf(&b, "dump: %d nodes of the store are in the way", e.Total)
	}
	for i, c := range e.Conflicts {
		if i == 3 {
			b.WriteString(", …")
			break
		}
		fmt.Fprintf(&b, "%s %q (%s)", separator(i), c.Key, c.difference())
	}
	return b.String()
}

// VerifyError means that the store, read again after an import, does not hold what
// the dump says. Compared is all that can be: nodes that don't expire, that were
// not kept as they were, and that the dump has.
type VerifyError struct {
	Want, Got   Counts
	Differences []Difference // the first 20, if the dump can be read twice; Left is the store
}

// Error gives the counts and the first few keys.
func (e *VerifyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dump: the store holds %d keys and %d directories with sum %.8s…, the dump %d and %d with %.8s…",
		e.Got.Keys, e.Got.Directories, e.Got.SHA256, e.Want.Keys, e.Want.Directories, e.Want.SHA256)
	for i, d := range e.Differences {
		if i == 3 {
			b.WriteString(", …")
			break
		}
		fmt.Fprintf(&b, "%s %q", separator(i), d.Key)
	}
	return b.String()
}

func separator(i int) string {
	if i == 0 {
		return ":"
	}
	return ","
}

// difference says what the store has for what the dump has.
func (c *Conflict) difference() string {
	switch {
	case c.Store.Dir != c.Dump.Dir:
		return kindOf(&c.Store) + " for " + kindOf(&c.Dump)
	case c.Store.Value != c.Dump.Value:
		return "another value"
	}
	return "another TTL"
}

func kindOf(n *Node) string {
	if n.Dir {
		return "a directory"
	}
	return "a file"
}
