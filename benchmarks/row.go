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
	Work     string `json:"work"`
	Measured string `json:"measured"`
	// Ours, Historic and Other are the results, as the table has them. Other is the
	// bare client, unless it names itself.
	Ours     string `json:"ours"`
	Historic string `json:"historic,omitempty"`
	Other    string `json:"other,omitempty"`
	// Ratio is ours by another, and Limit what is wanted.
	Ratio string `json:"ratio,omitempty"`
	Limit string `json:"limit,omitempty"`
	// Verdict compares them.
	Verdict Verdict `json:"verdict,omitempty"`
	// Medians are the results as numbers; nil where they are not one number each.
	Medians *Medians `json:"medians,omitempty"`
}

// Medians are the medians of a Line in nanoseconds, bytes or pieces. Zero stands for a
// client that was not measured.
type Medians struct {
	Ours     float64 `json:"ours"`
	Historic float64 `json:"historic,omitzero"`
	Other    float64 `json:"other,omitzero"`
}

// A Verdict is whether a limit is met.
type Verdict string

// The verdicts.
const (
	Met     Verdict = "met"
	Missed  Verdict = "missed"
	NoLimit Verdict = ""
)

func verdict(met bool) Verdict {
	if met {
		return Met
	}
	return Missed
}
