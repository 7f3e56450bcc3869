package benchmarks

import "context"

// A Row is a piece of work that the peers are compared in.
type Row struct {
	// Name selects the row.
	Name string
	// Measure does the work. Its error is why nothing was measured; a missed
	// limit is no error.
	Measure func(context.Context, *Bench) ([]Line, error)
}

// Rows are all rows, in the order of the table.
func Rows() []Row {
	return []Row{
		{"get-small", getSmall},
		{"get-variants", getVariants},
		{"set-small", setSmall},
		{"error-reply", errorReply},
		{"call-instructions", callInstructions},
		{"loopback-get", loopbackGet},
		{"loopback-set", loopbackSet},
		{"connections", connections},
		{"tree", trees},
		{"tree-memory", treeMemory},
		{"bounded-reply", boundedReply},
		{"decode", decoding},
		{"decode-instructions", decodeInstructions},
		{"etcd-tree", etcdTree},
		{"watcher", watcherPolls},
		{"watcher-idle", watcherIdle},
		{"events", eventStream},
		{"etcd-events", etcdEvents},
		{"dead-endpoint", deadEndpoint},
		{"program-size", programSize},
	}
}

// A Line is one comparison of a row.
type Line struct {
	// Work is what was done, and Measured what of it.
	Work, Measured string
	// Ours, Historic and Other are what it came to. Other is the bare client,
	// unless it names itself.
	Ours, Historic, Other string
	// Ratio is ours by another, and Limit what is wanted.
	Ratio, Limit string
	// Verdict compares them.
	Verdict Verdict
}

// A Verdict is whether a limit is met.
type Verdict string

// The verdicts.
const (
	Met     Verdict = "met"
	Missed  Verdict = "**missed**"
	NoLimit Verdict = ""
)

func verdict(met bool) Verdict {
	if met {
		return Met
	}
	return Missed
}
