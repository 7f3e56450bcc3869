package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

const cannedEndpoint = "http://etcd.example:2379"

// A variant is a configuration to do the same work with.
type variant struct {
	name   string
	config config
}

func plainVariant() variant {
	return variant{"", config{endpoints: []string{cannedEndpoint}}}
}

func timeoutVariant() variant {
	return variant{", HeaderTimeoutPerRequest", config{endpoints: []string{cannedEndpoint}, headerTimeout: 5 * time.Second}}
}

// loadedVariant has what failover, authentication and redirects need.
func loadedVariant() variant {
	return variant{", three endpoints and a password", config{
		endpoints: []string{cannedEndpoint, "http://etcd2.example:2379", "http://etcd3.example:2379"},
		username:  "root", password: "secret",
	}}
}

// cannedPeers returns the peers, each with a transport that returns answer.
func cannedPeers(c config, answer []byte, status int) ([]peer, []*canned, error) {
	var peers []peer
	var transports []*canned
	for _, m := range wireMakers() {
		t := newCanned(answer)
		t.status = status
		c.transport = t
		p, err := m.make(c)
		if err != nil {
			return nil, nil, err
		}
		peers, transports = append(peers, p), append(transports, t)
	}
	return peers, transports, nil
}

// runCanned compares the peers, each with a transport that returns answer.
func (b *Bench) runCanned(c config, answer []byte, do func(peer) error) ([]measure.Series, error) {
	return b.runCannedStatus(c, answer, http.StatusOK, do)
}

func (b *Bench) runCannedStatus(c config, answer []byte, status int, do func(peer) error) ([]measure.Series, error) {
	peers, _, err := cannedPeers(c, answer, status)
	if err != nil {
		return nil, err
	}
	var all []measure.Subject
	for i, p := range peers {
		all = append(all, measure.Subject{Name: wireMakers()[i].name, Work: func(n int) error {
			return measure.Share(1, n, func() error { return do(p) })
		}})
	}
	return b.runRounds(all)
}

// of returns a quantity of what the peers took, in the order of makers.
func of(work, measured string, u measure.Unit, taken []measure.Series, what func(measure.Series) measure.Spread) quantity {
	return quantity{work, measured, u, what(taken[0]), what(taken[1]), what(taken[2])}
}

// getSmall is a Get of one small key without any network: the client's own cost.
func getSmall(ctx context.Context, b *Bench) ([]Line, error) {
	work := "Get, canned reply"
	do := func(p peer) error { return p.get(ctx, smallKey) }
	taken, err := b.runCanned(plainVariant().config, smallGet(), do)
	if err != nil {
		return nil, err
	}
	started, err := goroutinesPerRequest(do)
	if err != nil {
		return nil, err
	}
	return append(cannedLines(work, taken),
		quantity{work, "goroutines started", measure.Count, started[:1], started[1:2], started[2:3]}.atMost(0),
	), nil
}

const (
	// extraTime and extraAllocs are what a call without a network may take besides
	// what net/http takes: no state is shared between requests.
	extraTime   = float64(time.Microsecond)
	extraAllocs = 10
	// wireLimit is the share of net/http's processor time that a call on a real
	// connection may take.
	wireLimit = 1.05

	// processorTime is what lines that compare it call it.
	processorTime = "processor time"
	// readingOnly marks the lines in which the bare client decodes nothing.
	readingOnly = " (bare: reading only)"
)

// cannedLines are the lines of a call on canned replies, which four peers have done.
func cannedLines(work string, taken []measure.Series) []Line {
	reading := []measure.Series{taken[0], taken[1], taken[3]}
	lines := []Line{withRatio(of(work, "time", measure.Nanoseconds, taken, measure.Series.Wall))}
	for _, q := range []quantity{
		of(work, processorTime, measure.Nanoseconds, taken, measure.Series.CPU),
		of(work, processorTime+readingOnly, measure.Nanoseconds, reading, measure.Series.CPU),
	} {
		lines = append(lines, q.atMostMore(extraTime))
	}
	return append(lines,
		of(work, "bytes", measure.Bytes, taken, measure.Series.Bytes).line(),
		of(work, "allocations", measure.Count, taken, measure.Series.Allocs).atMostMore(extraAllocs),
		of(work, "allocations"+readingOnly, measure.Count, reading, measure.Series.Allocs).atMostMore(extraAllocs),
	)
}

// goroutinesPerRequest returns for each peer how many more goroutines there are
// while the transport has a request than before.
func goroutinesPerRequest(do func(peer) error) (measure.Spread, error) {
	peers, transports, err := cannedPeers(plainVariant().config, smallGet(), http.StatusOK)
	if err != nil {
		return nil, err
	}
	var started measure.Spread
	for i, p := range peers {
		const tries = 100
		most := 0
		for range tries {
			before := runtime.NumGoroutine()
			transports[i].sampling, transports[i].most = true, 0
			if err := do(p); err != nil {
				return nil, err
			}
			most = max(most, transports[i].most-before)
		}
		started = append(started, float64(most))
	}
	return started, nil
}

// getVariants is the same with more of the configuration in use.
func getVariants(ctx context.Context, b *Bench) ([]Line, error) {
	var lines []Line
	var plain float64
	for _, v := range []variant{plainVariant(), timeoutVariant(), loadedVariant()} {
		taken, err := b.runCanned(v.config, smallGet(), func(p peer) error { return p.get(ctx, smallKey) })
		if err != nil {
			return nil, err
		}
		allocs := of("Get, canned reply"+v.name, "allocations", measure.Count, taken, measure.Series.Allocs)
		switch v.name {
		case plainVariant().name:
			plain = allocs.ours.Median()
		case timeoutVariant().name:
			lines = append(lines, allocs.atMostMore(extraAllocs))
		default:
			l := allocs.atMostMore(extraAllocs)
			l.Ratio = fmt.Sprintf("%+.0f", allocs.ours.Median()-plain)
			lines = append(lines, l)
		}
		wall := of("Get, canned reply"+v.name, "time", measure.Nanoseconds, taken, measure.Series.Wall)
		if v.name != "" {
			l := wall.line()
			l.Ratio = fmt.Sprintf("%.2f", wall.ours.Median()/wall.historic.Median())
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// setSmall is a Set of one small key without any network.
func setSmall(ctx context.Context, b *Bench) ([]Line, error) {
	work := "Set, canned reply"
	taken, err := b.runCanned(plainVariant().config, smallSet(), func(p peer) error { return p.set(ctx, smallKey, "10.0.42.17:8080") })
	if err != nil {
		return nil, err
	}
	return cannedLines(work, taken), nil
}

// errNoError is a Get of a missing key that returned no error.
var errNoError = errors.New("benchmarks: no error")

// errorReply is a Get of a key that does not exist: its reply is an error document.
func errorReply(ctx context.Context, b *Bench) ([]Line, error) {
	taken, err := b.runCannedStatus(plainVariant().config, keyNotFound(), http.StatusNotFound, func(p peer) error {
		if p.get(ctx, smallKey) == nil {
			return errNoError
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	lines := cannedLines("Get, canned error document", taken)
	return slices.DeleteFunc(lines, func(l Line) bool { return strings.Contains(l.Measured, readingOnly) }), nil
}
