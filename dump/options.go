package dump

import (
	"context"
	"time"
)

// ExportOptions modify Export. The zero value exports the whole store.
type ExportOptions struct {
	// Root is the directory or file to export. Empty means "/", all.
	Root string

	// Hidden are paths of hidden nodes below Root to ask for; missing ones are
	// left out. A path may go on below a hidden directory: it is asked for as a
	// whole.
	Hidden []string

	// SkipHistory leaves out the search for hidden nodes in the store's last
	// 1,000 events, which is a request for each event, and lets Follow miss their
	// changes.
	SkipHistory bool

	// Follow goes on after the snapshot with a line for each change, until the
	// context ends.
	Follow bool

	// Progress, unless nil, is called by Export's own goroutine, at the beginning
	// and the end of each phase and at most ten times a second within.
	Progress func(Progress)
}

// Summary says what Export wrote, or what Purge removed.
type Summary struct {
	Counts // of the latest snapshot

	ClusterID string // whose store it is
	Index     uint64 // the store's index of the snapshot

	// HiddenFound are the paths at which hidden nodes were found, in order; of
	// each, what is below it counts too.
	HiddenFound []string
	// HistoryFrom and HistoryTo are the indexes between which the events were
	// searched for hidden nodes. Of those that were last written before nothing
	// is known. Both are zero if there was no search.
	HistoryFrom, HistoryTo uint64

	Changes int64 // lines of changes that Follow wrote
	Resyncs int64 // how many times history was lost, and a whole snapshot followed
}

// Progress tells how far a phase has come.
type Progress struct {
	Phase Phase
	Done  int64  // nodes; for PhaseFollow changes
	Total int64  // of how many; zero: not known
	Key   string // of the last one
}

// Phase is what is being done.
type Phase string

// The phases.
const (
	PhaseRead   Phase = "read"   // the store is read
	PhaseSearch Phase = "search" // hidden nodes are searched for in the history
	PhaseWrite  Phase = "write"  // the dump is written
	PhaseFollow Phase = "follow" // changes are written, or applied
	PhaseCheck  Phase = "check"  // the dump is read through before the first write
	PhaseApply  Phase = "apply"  // the store is brought to what the dump says
	PhaseVerify Phase = "verify" // the store is read again and compared
	PhaseRemove Phase = "remove" // the store is emptied
)

// OnConflict says what Import does with a node that is there with another value, as
// a file where the dump has a directory, or with a TTL where the dump has none, or
// the reverse of these.
type OnConflict string

// The ways.
const (
	// Fail leaves it, goes on, and has Import return a [*ConflictError] at the end.
	Fail OnConflict = ""
	// Overwrite writes what the dump says. A directory in the place of a file goes
	// with all in it. Files whose expirations are more than 5 seconds apart differ
	// too.
	Overwrite OnConflict = "overwrite"
	// Keep leaves it and counts it.
	Keep OnConflict = "keep"
)

// ImportOptions modify Import. The zero value imports a dump to where it was.
type ImportOptions struct {
	// Root is where the root of the dump goes to: with "/b", a dump of "/a" has
	// its "/a/x" imported as "/b/x". Empty means where it was.
	Root string

	// OnConflict is for nodes of the store that differ from those of the dump.
	OnConflict OnConflict

	// Parallel is how many writes are on their way at a time. Zero means 32.
	Parallel int

	// DropTTL imports nodes that expire as nodes that don't, also those whose time
	// is over by now.
	DropTTL bool

	// Partial takes a truncated dump as one that ends there, and does not verify.
	Partial bool

	// SkipVerify leaves out reading the store again after the import.
	SkipVerify bool

	// DryRun writes nothing, and counts what would be written.
	DryRun bool

	// Patience is for how long a request is tried again while the cluster does not
	// answer. Zero means 30 seconds.
	Patience time.Duration

	// Progress, unless nil, is called as that of ExportOptions is.
	Progress func(Progress)
}

// ImportSummary says what Import did.
type ImportSummary struct {
	Header      Header // of the dump
	Keys        int64  // files in the dump
	Directories int64  // directories in the dump
	Created     int64  // nodes that were written and had not been there
	Overwritten int64  // nodes that were there and differed
	Unchanged   int64  // nodes that were as the dump says
	Kept        int64  // nodes that were left as they were, and those below
	Conflicts   int64  // nodes in the way: those of the *ConflictError
	Expired     int64  // nodes left out because their time was over, and those below
	Removed     int64  // nodes removed because a new snapshot did not have them
	Changes     int64  // changes applied
	Resyncs     int64  // further snapshots applied
	Verified    bool   // the store has been read again, and was as the dump says
}

// DiffOptions modify Diff. The zero value compares kinds and values.
type DiffOptions struct {
	// TTL makes nodes differ of which one expires and the other does not, or of
	// which the expirations are further apart than TTLTolerance.
	TTL bool

	// TTLTolerance is for the way from clock to clock. Zero means 5 seconds.
	TTLTolerance time.Duration
}

// PurgeOptions modify Purge. The zero value removes the whole store.
type PurgeOptions struct {
	// Root is the directory that is emptied; it stays itself. Empty means "/".
	Root string

	// Hidden and SkipHistory are as in ExportOptions.
	Hidden      []string
	SkipHistory bool

	// DryRun removes nothing, and counts what would be removed.
	DryRun bool

	// Patience is as in ImportOptions.
	Patience time.Duration

	// Progress, unless nil, is called as that of ExportOptions is.
	Progress func(Progress)
}

// Source is what Diff compares: make it with [Store] or [File]. It is for one Diff.
type Source struct {
	open func(ctx context.Context) (nodes, error)
}

// DifferenceKind says in what way two sources differ at a key.
type DifferenceKind string

// The kinds of differences.
const (
	OnlyLeft  DifferenceKind = "left"
	OnlyRight DifferenceKind = "right"
	Changed   DifferenceKind = "changed"
)

// Difference is one node in which two sources differ.
type Difference struct {
	Kind  DifferenceKind `json:"kind"`
	Key   string         `json:"key"`             // below the roots of both, beginning with a slash
	Left  *Node          `json:"left,omitempty"`  // nil: not there
	Right *Node          `json:"right,omitempty"` // nil: not there
}
