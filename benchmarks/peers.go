package benchmarks

import (
	"context"
	"net/http"
	"time"
)

// A transport is what all peers can do with.
type transport interface {
	http.RoundTripper
	// CancelRequest is there for the historic client.
	CancelRequest(req *http.Request)
}

// A config is the configuration of a peer.
type config struct {
	endpoints          []string
	transport          transport // nil: the peer's own default
	headerTimeout      time.Duration
	maxResponseBytes   int64 // of ours; 0: its default
	username, password string
}

// A peer is one of the clients that are compared. Its methods may be called by
// many goroutines.
type peer interface {
	// get reads a key, and drops the answer.
	get(ctx context.Context, key string) error
	// getTree reads all there is below a key, and drops the answer.
	getTree(ctx context.Context, key string) error
	// set writes a key, and drops the answer.
	set(ctx context.Context, key, value string) error
	// watch follows a directory by long polls: each call of the result returns the
	// index of the next event after that one.
	watch(key string, after uint64) func(context.Context) (uint64, error)
	// answer reads as get and getTree do, in the words of this package.
	answer(ctx context.Context, key string, recursive bool) (*document, error)
}

// The names of the peers.
const (
	oursName     = "ours"
	historicName = "historic"
	bareName     = "bare"
	readingName  = "reading"
)

// A maker creates a peer.
type maker struct {
	name string
	make func(config) (peer, error)
}

// makers are all peers; the first is the client of this repository.
func makers() []maker {
	return []maker{
		{oursName, newOurs},
		{historicName, newHistoric},
		{bareName, newBare},
	}
}

// wireMakers are the makers, and one whose peer reads replies and decodes nothing.
func wireMakers() []maker { return append(makers(), maker{readingName, newReading}) }

// A document is an answer of the keys API: what the decoders that are compared
// fill, and what the clients' answers are turned into to be equal. Its types are
// those of the clients.
type document struct {
	Action   string `json:"action"`
	Node     *node  `json:"node"`
	PrevNode *node  `json:"prevNode"`
}

type node struct {
	Key           string     `json:"key"`
	Dir           bool       `json:"dir,omitempty"`
	Value         string     `json:"value"`
	Nodes         []*node    `json:"nodes"`
	CreatedIndex  uint64     `json:"createdIndex"`
	ModifiedIndex uint64     `json:"modifiedIndex"`
	Expiration    *time.Time `json:"expiration,omitempty"`
	TTL           int64      `json:"ttl,omitempty"`
}

// newTransport returns the transport that each peer gets one of.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: 90 * time.Second}
}

// defaultTransportOf returns the transport that a peer uses when it is given none.
func defaultTransportOf(name string) (*http.Transport, bool) {
	var t http.RoundTripper
	switch name {
	case oursName:
		t = oursDefaultTransport()
	case historicName:
		t = historicDefaultTransport()
	default:
		t = http.DefaultTransport
	}
	known, ok := t.(*http.Transport)
	return known, ok
}
