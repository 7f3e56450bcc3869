package move

import (
	"time"

	"github.com/coreos/etcd/client"
)

// Options modify Start. The zero value moves a whole store.
type Options struct {
	// From is the directory to move. Empty means "/", all.
	From string

	// To is where it is moved to. Empty means where it was.
	To string

	// Hidden are paths of hidden nodes at or below From, as no server lists them;
	// missing ones are left out. What is below is copied too, but for what is
	// hidden there once more.
	Hidden []string

	// SkipHidden leaves out the search for hidden nodes in the source's history,
	// which takes a request for each of its events. Those of Hidden are copied at
	// the beginning and by Switch.
	SkipHidden bool

	// Overwrite takes a target that is not empty, and was not begun by a move from
	// the same source: what differs is overwritten, what the source has not is
	// removed, and what others write there meanwhile is overwritten too.
	Overwrite bool

	// AllowRefused lets Switch succeed without nodes that the target has refused.
	AllowRefused bool

	// Parallel is how many writes are on their way at a time. Zero means 32.
	Parallel int

	// TTLTolerance is how far the time left may differ between the two sides.
	// Zero means 5 seconds.
	TTLTolerance time.Duration

	// Progress, unless nil, is told how far the move has come, at most ten times a
	// second, and only when that has changed. It is called by one goroutine, which
	// Close waits for.
	Progress func(Progress)

	// Retry, unless nil, is told of each failure that will be tried again. It must
	// not block, and may be called by several goroutines at a time.
	Retry func(error)
}

// Progress says how far a move has come.
type Progress struct {
	Phase   Phase
	Total   int64  // nodes of the snapshot that is being copied
	Copied  int64  // nodes of it that are in the target
	Applied int64  // changes that were applied since the move began
	Pending int64  // changes that were read and are not applied yet
	Resyncs int64  // how many times history was lost, and a further snapshot copied
	Refused int64  // nodes that the target has refused
	Index   uint64 // that of the source up to which all was taken

	// Behind is how long the change that was taken last had waited: how far the
	// target is behind.
	Behind time.Duration
}

// Phase is what a move is doing.
type Phase string

// The phases.
const (
	PhaseCopy   Phase = "copy"   // a snapshot is copied
	PhaseFollow Phase = "follow" // changes are applied as they come
	PhaseSwitch Phase = "switch" // the last changes are applied, and both sides are compared
	PhaseDone   Phase = "done"
)

// Report is what a move came to.
type Report struct {
	Keys        int64 // files that both sides have, as Switch has compared them
	Directories int64 // directories alike

	Copied    int64 // nodes that were written, or removed, because a snapshot differed from the target
	Applied   int64 // changes that were applied
	Refreshed int64 // TTLs that were renewed, as those of the source
	Resyncs   int64 // further snapshots, because history was lost

	// Hidden are the paths at which hidden nodes were found, in order.
	Hidden []string
	// HiddenFrom is the index of the source since which its history was searched for
	// hidden nodes; zero if there was no search. HiddenGaps is how many times some
	// of it was forgotten before it was read: what was hidden and written only then
	// is not known.
	HiddenFrom uint64
	HiddenGaps int64

	// MostPending is how many changes waited at the worst time.
	MostPending int64

	// Refused are the first nodes that are missing because the target refused them,
	// and TotalRefused is how many there are.
	Refused      []Refusal
	TotalRefused int64

	// Index is that of the source at which both sides were equal, and IndexAfter
	// the one at the end. If it is greater, somebody still wrote, there or elsewhere
	// in the store.
	Index, IndexAfter uint64
	// Late are the first keys that were written in the source after Switch was
	// called, and TotalLate is how many such writes were seen, and copied.
	Late      []string
	TotalLate int64
}

// Refusal is a node that the target refused to take.
type Refusal struct {
	Key string // in the source
	Err error  // what the target's KeysAPI said
}

// Difference is a node in which the sides differ.
type Difference struct {
	Key    string       // in the source
	Source *client.Node // nil: not there
	Target *client.Node // nil: not there
}
