package dump

import (
	"time"

	"github.com/coreos/etcd/client"
)

// Format and Version are what the header of a dump says.
const (
	Format  = "etcd-v2-dump"
	Version = 1
)

// Record is one line of a dump. One of its fields is not nil.
type Record struct {
	Header  *Header  `json:"header,omitempty"`
	Node    *Node    `json:"node,omitempty"`
	Trailer *Trailer `json:"trailer,omitempty"`
	Change  *Change  `json:"change,omitempty"`
}

// Header begins a snapshot.
type Header struct {
	Format    string    `json:"format"`
	Version   int       `json:"version"`
	Root      string    `json:"root"`                // the directory or file that was exported; "/" for all
	ClusterID string    `json:"clusterID,omitempty"` // whose store it is
	Index     uint64    `json:"index"`               // the store's index of the snapshot
	Time      time.Time `json:"time"`                // when it was read, by the clock of the exporter
	Resync    bool      `json:"resync,omitempty"`    // true: what is not in the snapshot is gone
}

// Node is a file or a directory as a dump has it.
type Node struct {
	Key        string     `json:"key"`                  // absolute, as in the store
	Dir        bool       `json:"dir,omitempty"`        // a directory
	Value      string     `json:"value,omitempty"`      // what a file holds
	Created    uint64     `json:"created,omitempty"`    // the index at which it came to be
	Modified   uint64     `json:"modified,omitempty"`   // the index of its last change
	Expiration *time.Time `json:"expiration,omitempty"` // when it goes away, by the server's clock; nil: never
}

// Trailer ends a snapshot.
type Trailer struct {
	Keys        int64  `json:"keys"`        // how many files there were
	Directories int64  `json:"directories"` // how many directories
	SHA256      string `json:"sha256"`      // hexadecimal; what it is of is said at the package
}

// Change is what happened to a node after the snapshot.
type Change struct {
	Kind  client.EventKind `json:"kind"`  // all but EventResync, for which there is a header
	Index uint64           `json:"index"` // the store's index of the change
	Node  Node             `json:"node"`  // the node after it; of one that is gone, its key
}

// Counts say how much there is and what it is.
type Counts = Trailer
