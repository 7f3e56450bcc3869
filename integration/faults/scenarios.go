package faults

import (
	"slices"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// Names of scenarios, where networks refer to them.
const (
	noFaults            = "no faults"
	fewCalls            = "no faults, a call every 2 s"
	fewWrites           = "no faults, few writes"
	lostAnswer          = "answer lost"
	lostAnswerRemove    = "answer lost: removals of members"
	lostAnswerStrict    = "answer lost, StrictWrites"
	killFollower        = "kill -9 and restart the pinned follower"
	killLeader          = "kill -9 and restart the pinned leader"
	stopFollower        = "stop and continue (SIGSTOP) the pinned follower"
	stopLeader          = "stop and continue (SIGSTOP) the pinned leader"
	resetFollower       = "reset all connections, again and again, of the pinned follower"
	resetLeader         = "reset all connections, again and again, of the pinned leader"
	connectionsFollower = "black hole in the connections of the pinned follower"
	connectionsLeader   = "black hole in the connections of the pinned leader"
	connectionsWatches  = "black hole in the connections of the pinned follower: watches"
	holeFollower        = "black hole before the pinned follower"
	holeLeader          = "black hole before the pinned leader"
	partitionFollower   = "partition: peers don't reach the pinned follower"
	partitionLeader     = "partition: peers don't reach the pinned leader"
	resetStrict         = "reset connections, StrictWrites"
	slowMember          = "slow: each answer of the pinned member 1.5 s late"
	flappingRefuses     = "flapping: refuses, accepts, every second"
	flappingStops       = "flapping: stops, goes on, every second"
	leaderChange        = "leader change: kill -9 of the current leader"
	rolling             = "rolling restart of all members (kill -9)"
	allDown             = "all members down, and back"
	cutInEvent          = "replies of watches late, cut in an event"
	cutAfterHeader      = "replies of watches late, cut after the header"
	pageOfOne           = "gateway of the pinned member answers 403, 404, 408, 429, 502, 503"
	pageOfAll           = "all gateways answer 403, 404, 408, 429, 502, 503"
	quietOnly           = "1,000 quiet watches, begun 4 ms apart"
	quietTogether       = "1,000 quiet watches, begun together"
)

// Scenarios is all there is.
func Scenarios() []Scenario {
	return slices.Concat(
		withoutFaults(), lostAnswers(), ofOneMember(Follower), ofOneMember(Leader), ofTheCluster(),
		ofWatches(), ofGateways(), ofQuietWatches(),
	)
}

const second = time.Second // for the tables

// allSucceed promises that no call of these loads fails.
func allSucceed(loads ...string) (promises []Promise) {
	for _, l := range loads {
		promises = append(promises, Promise{Load: l, NoFailure: true})
	}
	return promises
}

// withoutFaults are those in which the network is the fault, if there is one.
func withoutFaults() []Scenario {
	return []Scenario{
		{
			Name: noFaults, Promises: append(allSucceed(reads, sets, creates, swaps), Promise{Load: watches, NoFailure: true, Stall: 2 * second}),
			Steps: []Step{{Do: nothing, Then: 3 * second}}, Length: 10 * second, Short: 3 * second,
		},
		{
			Name: fewCalls, Loads: rare(), Promises: append(allSucceed(reads, sets), Promise{Load: watches, NoFailure: true, Stall: 6 * second}),
			Steps: []Step{{Do: nothing, Then: 5 * second}}, Length: 20 * second, Short: 9 * second,
		},
		{
			Name: fewWrites, Loads: slow(), FullOnly: true, Once: true, Promises: append(allSucceed(reads, sets), Promise{Load: watches, NoFailure: true, Stall: movesWithin}),
			Steps: []Step{{Do: nothing, Then: 5 * second}}, Length: 90 * second,
		},
	}
}

// movesWithin is how long a watch may stay on a connection that swallows
// everything.
const movesWithin = 75 * second

// lostAnswers are those in which writes are applied and the answer gets lost.
func lostAnswers() []Scenario {
	round := []Step{
		{Do: loseAnswers, On: All, Then: 150 * time.Millisecond},
		{Do: clearFaults, On: All},
	}
	all := everyWrite()
	var promises []Promise
	for _, l := range all {
		if l.AtMostOnce {
			promises = append(promises, Promise{Load: l.Name, SomeUnknown: true})
		} else {
			promises = append(promises, Promise{Load: l.Name, NoFailure: true, SomeResent: true})
		}
	}
	var (
		repeatable []Load
		strict     []Promise
	)
	for _, l := range all {
		if !l.AtMostOnce {
			repeatable = append(repeatable, l)
			strict = append(strict, Promise{Load: l.Name, SomeUnknown: true})
		}
	}
	return []Scenario{
		{
			Name: lostAnswer, ByLoad: true, Loads: all, Steps: round, Promises: promises, Needs: RequestFaults,
			Length: 15 * second, Short: 8 * second,
		},
		{
			Name: lostAnswerRemove, Loads: removals(), Steps: round, Needs: RequestFaults, Once: true,
			Promises: []Promise{{Load: "member Remove", NoFailure: true, SomeResent: true}}, Length: 10 * second, Short: 4 * second,
		},
		{
			Name: lostAnswerStrict, StrictWrites: true, ByLoad: true, Loads: repeatable, Steps: round, Needs: RequestFaults,
			Promises: strict, Length: 10 * second, Short: 3 * second,
		},
	}
}

// ofOneMember are faults of the member that every client begins with.
func ofOneMember(r Role) []Scenario {
	name := func(what string) string { return what + " the pinned " + r.String() }
	// Reads and unconditional sets go on as long as two members are healthy.
	well := append(allSucceed(reads, sets), Promise{Load: watches, NoFailure: true, Stall: 10 * second})
	// A stopped member costs a read or a set with a deadline of 5 s a second, and as
	// much for the probe. A write that must not be sent twice gains nothing by an
	// early end: it waits for the whole probe, of 2 s.
	prompt := []Promise{
		{Load: reads, NoFailure: true, Call: 2*second + grace},
		{Load: sets, NoFailure: true, Call: 2*second + grace},
		{Load: creates, Call: 3*second + grace},
		{Load: swaps, Call: 3*second + grace},
		{Load: watches, NoFailure: true, Stall: 10 * second},
	}
	withoutWatches := slices.DeleteFunc(everyday(), func(l Load) bool { return l.Name == watches })
	scenarios := []Scenario{
		{
			Name: name("kill -9 and restart"), Promises: well,
			Steps: []Step{{Do: kill, Then: 3 * second}, {Do: restart, Then: second}}, Length: 20 * second,
		},
		{
			Name: name("stop and continue (SIGSTOP)"), Promises: prompt,
			Steps: []Step{{Do: stop, Then: 8 * second}, {Do: goOn, Then: second}},
		},
		{
			Name: name("reset all connections, again and again, of"), Promises: well,
			Steps: []Step{{Do: reset, Then: 250 * time.Millisecond}}, Length: 15 * second, Short: 3 * second,
		},
		{
			Name: name("black hole in the connections of"), Loads: withoutWatches,
			Promises: []Promise{{Load: reads, NoFailure: true, Stall: 6 * second}, {Load: sets, NoFailure: true, Stall: 6 * second}},
			Steps:    []Step{{Do: swallow, Then: 8 * second}},
		},
		{
			Name: name("black hole in the connections of") + ": watches", Loads: slow(), FullOnly: true,
			Promises: append(allSucceed(reads, sets), Promise{Load: watches, NoFailure: true, Stall: movesWithin}),
			Steps:    []Step{{Do: swallow, Then: movesWithin + 5*second}},
		},
		{
			Name: name("black hole before"), Promises: prompt,
			Steps: []Step{{Do: swallowAll, Then: 8 * second}, {Do: clearFaults, Then: second}},
		},
		{
			Name: name("partition: peers don't reach"), Promises: well,
			Steps: []Step{{Do: cutOff, Then: 8 * second}, {Do: heal, Then: second}},
		},
	}
	for i := range scenarios {
		scenarios[i].Role = r
		// Of the leader, a network shows no more than of the follower, but for what
		// makes the others elect another one.
		scenarios[i].Once = r == Leader && i > 1
	}
	return scenarios
}

// ofTheCluster are faults of more than the one member, and of one that is half
// healthy.
func ofTheCluster() []Scenario {
	well := append(allSucceed(reads, sets), Promise{Load: watches, NoFailure: true, Stall: 10 * second})
	all := append(slices.Clone(well), allSucceed(creates, swaps)...)
	flap := func(down, up Action) []Step { return []Step{{Do: down, Then: second}, {Do: up, Then: second}} }
	return []Scenario{
		{
			Name: resetStrict, StrictWrites: true, Promises: allSucceed(reads, watches),
			Steps: []Step{{Do: reset, On: Next, Then: 250 * time.Millisecond}}, Length: 15 * second, Short: 3 * second,
		},
		{
			Name: slowMember, Promises: all, Needs: RequestFaults,
			Steps: []Step{{Do: slowDown, Then: 5 * second}, {Do: clearFaults, Then: second}}, Length: 15 * second,
		},
		{
			Name: flappingRefuses, Promises: well,
			Steps: flap(refuse, accept), Length: 20 * second, Short: 6 * second,
		},
		{
			Name: flappingStops, Promises: well,
			Steps: flap(stop, goOn), Length: 20 * second, Short: 6 * second,
		},
		{
			Name: leaderChange, Role: Leader,
			Steps:  []Step{{Do: kill, On: CurrentLeader, Then: 2 * second}, {Do: restart, On: Same, Then: second}},
			Length: 30 * second, Short: 8 * second,
		},
		{
			Name:   rolling,
			Steps:  slices.Repeat([]Step{{Do: kill, On: Next, Then: 1500 * time.Millisecond}, {Do: restart, On: Same, Then: 1500 * time.Millisecond}}, 3),
			Length: time.Minute,
		},
		{
			Name: allDown, Outage: 6 * second,
			Steps:  []Step{{Do: kill, On: All, Then: 3 * second}, {Do: restartAll, On: Same, Then: 2 * second}},
			Length: 20 * second,
		},
	}
}

// ofWatches are those in which replies of watches end where they may not be taken
// for whole.
func ofWatches() (scenarios []Scenario) {
	for name, kind := range map[string]harness.FaultKind{cutInEvent: harness.CutMidEvent, cutAfterHeader: harness.CutAfterHeader} {
		scenarios = append(scenarios, Scenario{
			Name: name, Needs: RequestFaults, Promises: allSucceed(reads, sets, creates, swaps),
			Steps: []Step{{Do: cutWatches(kind), On: All, Then: 3 * second}, {Do: clearFaults, On: All, Then: second}}, Length: 15 * second, Short: 6 * second,
		})
	}
	slices.SortFunc(scenarios, func(a, b Scenario) int { return len(a.Name) - len(b.Name) })
	return scenarios
}

// ofGateways are those in which a gateway answers by itself.
func ofGateways() []Scenario {
	pages := func(on Target) (steps []Step) {
		for _, status := range []int{403, 404, 408, 429, 502, 503} {
			steps = append(steps, Step{Do: answerPage(status), On: on, Then: 700 * time.Millisecond}, Step{Do: answerPage(0), On: on, Then: 300 * time.Millisecond})
		}
		return steps
	}
	return []Scenario{
		{
			Name: pageOfOne, Needs: Gateways, Steps: pages(TargetPinned), Length: 20 * second,
			Promises: append(allSucceed(reads, sets), Promise{Load: watches, NoFailure: true, Stall: 5 * second}),
		},
		// Watches pause for up to 5 s between two rounds of failures.
		{Name: pageOfAll, Needs: Gateways, Steps: pages(All), Length: 20 * second, Promises: []Promise{{Load: watches, Stall: 10 * second}}},
	}
}

// maxProbes is how many probes a member's quiet watches may cost in a minute.
const maxProbes = 60

// ofQuietWatches are those of many watches of which none reports anything.
func ofQuietWatches() []Scenario {
	steps := []Step{{Do: nothing, Then: 4 * second}}
	promises := allSucceed(quiet)
	return []Scenario{
		{
			Name: quietOnly, Loads: []Load{quietly(4 * time.Millisecond)}, Steps: steps, Promises: promises, MaxProbes: maxProbes,
			Once: true, Length: time.Minute, Short: 16 * second,
		},
		{
			Name: quietTogether, Loads: []Load{quietly(0)}, Steps: steps, Promises: promises, MaxProbes: maxProbes,
			FullOnly: true, Once: true, Length: time.Minute,
		},
	}
}
