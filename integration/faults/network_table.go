package faults

import (
	"slices"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// Names of networks.
const (
	plain       = "HTTP/1.1"
	tlsHTTP1    = "TLS, HTTP/1.1"
	tlsHTTP2    = "TLS, HTTP/2"
	tlsClone    = "TLS, HTTP/2, DefaultTransport.Clone"
	oneAddress  = "one address"
	oneAddress2 = "one address, TLS, HTTP/2"
	wide        = "150 ms round trips"
	wideTLS     = "150 ms round trips, TLS, HTTP/2"
	swallowing  = "connections of 10 s become black holes"
	behindGates = "gateways"
	idleClosed  = "idle connections closed after 2 s"
	otel        = "otelhttp"
	otelTLS     = "otelhttp, TLS, HTTP/2"
	maxConns    = "MaxConnsPerHost 12"
	many        = "1,000 watches"
	manyHTTP2   = "1,000 watches, TLS, HTTP/2"
)

const (
	oneWay       = 75 * time.Millisecond
	idleTimeout  = 2 * time.Second
	swallowAfter = 10 * time.Second
	pingTime     = 20 * time.Second // An HTTP/2 connection is left after 15 s.
	farCatchUp   = 30 * time.Second // A Watcher has a round trip for each event.
	quietWatches = 1000
	// maxConnections is less than all callers together, and more than the watches:
	// over HTTP/1.1 each watch holds a connection.
	maxConnections = 12
)

func contains(names []string, name string) bool { return slices.Contains(names, name) }

// Networks is all there is.
func Networks() []Network {
	// Behind one address nobody can choose the member: what is asked there again
	// may meet the same one.
	anyMember := []Exception{
		{
			Scenarios: []string{stopFollower, stopLeader, holeFollower, holeLeader, partitionFollower, partitionLeader, flappingStops},
			MayFail:   0.2, Call: callDeadline + grace, Stall: 20 * second,
			Why: "a third of the new connections go to the member that does not answer",
		},
		{
			Scenarios: []string{killLeader, slowMember}, MayFail: 0.2, Stall: 15 * second,
			Why: "there is no other endpoint to which a call could go that waits for an election, or for a slow member",
		},
		{
			Scenarios: []string{connectionsFollower, connectionsLeader, connectionsWatches, resetFollower, resetLeader, resetStrict, killFollower}, MayFail: 0.2,
			Why: "a connection that is new can be broken, too, before the call is through",
		},
		{
			Scenarios: []string{lostAnswer}, MayFail: 0.25,
			Why: "a call is tried again within a second: where answers take half of it, once only, and that one can be lost, too",
		},
	}
	// One HTTP/2 connection carries all calls, and there is no other endpoint: only
	// the pings find out, within 15 s.
	oneConnection := append(slices.Clone(anyMember), Exception{
		Scenarios: []string{connectionsFollower, connectionsWatches}, MayFail: 0.7, Stall: 20 * second,
		Why: "all calls share one connection, until a ping of it is not answered",
	})
	far := []Exception{
		{Scenarios: []string{stopFollower, stopLeader, holeFollower, holeLeader}, Call: 4*second + grace, Stall: 15 * second, Why: "a dial, a handshake and a probe take longer"},
	}
	farTLS := append(slices.Clone(far), Exception{
		Scenarios: []string{resetStrict}, MayFail: 0.1,
		Why: "a dial and a handshake take 600 ms, and the connections of each member are reset every 750 ms",
	})
	wrapper := []Exception{
		{Scenarios: []string{resetStrict}, MayFail: 0.1, Why: "a transport that is wrapped need not report what was sent"},
	}
	manyOnly := []string{noFaults, quietOnly, killFollower, resetFollower, stopFollower, holeFollower, flappingRefuses}
	crowd := []Exception{
		{Call: callDeadline + grace, Stall: 20 * second, MayFail: 0.02, Why: "1,000 watches that start again take two cores more than a second"},
	}
	return []Network{
		{
			Name: plain, Full: true, Short: []string{
				noFaults, lostAnswer, lostAnswerRemove, lostAnswerStrict, killLeader, stopFollower, connectionsFollower, holeLeader, partitionLeader,
				resetStrict, slowMember, flappingStops, leaderChange, rolling, allDown, cutInEvent, cutAfterHeader, quietOnly,
			},
		},
		{Name: tlsHTTP1, TLS: true, Transport: newTransport(client.TransportOptions{DisableHTTP2: true}), Short: []string{stopLeader, flappingRefuses}},
		{Name: tlsHTTP2, TLS: true, HTTP2: true, Transport: newTransport(client.TransportOptions{}), Short: []string{killLeader, holeFollower, connectionsFollower}},
		{Name: tlsClone, TLS: true, HTTP2: true, Transport: clone, Short: []string{connectionsFollower, resetFollower}},
		{Name: oneAddress, OneAddress: true, Exceptions: anyMember, Short: []string{fewCalls, killFollower, resetFollower, lostAnswer}},
		{
			Name: oneAddress2, OneAddress: true, TLS: true, HTTP2: true, Transport: newTransport(client.TransportOptions{}), CatchUp: pingTime,
			Exceptions: oneConnection, Short: []string{killFollower},
		},
		{Name: wide, CatchUp: farCatchUp, Link: &harness.Link{Delay: oneWay}, Exceptions: far, Short: []string{noFaults, stopFollower}},
		{Name: wideTLS, CatchUp: farCatchUp, Link: &harness.Link{Delay: oneWay}, TLS: true, HTTP2: true, Transport: newTransport(client.TransportOptions{}), Exceptions: farTLS, Short: []string{flappingRefuses}},
		{
			Name: swallowing, Full: true, Link: &harness.Link{SwallowAfter: swallowAfter},
			CatchUp: movesWithin, Only: []string{fewWrites, fewCalls}, // A watch that is stalled for a minute would fall out of the history of others.
			Exceptions: []Exception{
				{Load: watches, Stall: movesWithin, Why: "a watch stays for about a minute"},
				{Load: sets, MayFail: 0.1, Why: "a set can meet such a connection at one endpoint after the other until its deadline"},
			},
		},
		{
			Name: behindGates, Gateways: true, Short: []string{killFollower, pageOfOne, pageOfAll},
			Exceptions: []Exception{
				{
					Scenarios: []string{connectionsFollower, connectionsLeader, connectionsWatches}, Skip: true,
					Why: "the connections that become black holes are those of the gateway, which the client can't renew",
				},
			},
		},
		{Name: idleClosed, Link: &harness.Link{IdleTimeout: idleTimeout}, Short: []string{fewCalls, stopFollower}},
		{Name: otel, Transport: traced, Exceptions: wrapper, Short: []string{killFollower, resetFollower}},
		{Name: otelTLS, TLS: true, HTTP2: true, Transport: traced, Exceptions: wrapper, Short: []string{connectionsFollower}},
		{
			Name: maxConns, Transport: newTransport(client.TransportOptions{MaxConnsPerHost: maxConnections}), Short: []string{noFaults, stopFollower},
			Exceptions: []Exception{
				{Scenarios: []string{quietOnly}, Skip: true, Why: "over HTTP/1.1 each watch holds a connection, and there are more watches than connections"},
				{Scenarios: []string{stopFollower, stopLeader, holeFollower, holeLeader, slowMember}, Call: callDeadline + grace, Stall: 15 * second, MayFail: 0.02, Why: "calls wait for a connection behind others that wait for an answer"},
			},
		},
		{Name: many, QuietWatches: quietWatches, Only: manyOnly, Exceptions: crowd, Short: []string{killFollower}},
		{
			Name: manyHTTP2, QuietWatches: quietWatches, TLS: true, HTTP2: true, Transport: newTransport(client.TransportOptions{}),
			Only: manyOnly, Exceptions: crowd, Short: []string{stopFollower},
		},
	}
}
