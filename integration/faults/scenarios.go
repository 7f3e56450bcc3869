package faults

import (
	"slices"
	"time"
)

// Scenarios is all there is.
func Scenarios() []Scenario {
	return slices.Concat(lostAnswers(), ofOneMember(Follower), ofOneMember(Leader), ofTheCluster())
}

const second = time.Second // for the tables

// lostAnswers are those in which writes are applied and the answer gets lost.
func lostAnswers() []Scenario {
	round := []Step{
		{Do: loseAnswers, On: Next, Then: 150 * time.Millisecond},
		{Do: clearFaults, On: Same},
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
			Name: "answer lost", ByLoad: true, Loads: all, Steps: round, Promises: promises,
			Length: 15 * second, Short: 8 * second,
		},
		{
			Name: "answer lost, StrictWrites", StrictWrites: true, ByLoad: true, Loads: repeatable, Steps: round,
			Promises: strict, Length: 10 * second, Short: 3 * second,
		},
	}
}

// ofOneMember are faults of the member that every client begins with.
func ofOneMember(r Role) []Scenario {
	name := func(what string) string { return what + " the pinned " + r.String() }
	// Reads and unconditional sets go on as long as two members are well.
	well := []Promise{{Load: reads, NoFailure: true}, {Load: sets, NoFailure: true}, {Load: watches, NoFailure: true, Stall: 10 * second}}
	// One that stands still costs a call with a deadline of 5 s less than 3 s.
	prompt := []Promise{
		{Load: reads, NoFailure: true, Call: 3 * second},
		{Load: sets, NoFailure: true, Call: 3 * second},
		{Load: creates, Call: 3 * second},
		{Load: swaps, Call: 3 * second},
		{Load: watches, NoFailure: true, Stall: 10 * second},
	}
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
			Name: name("black hole in the connections of"), Promises: well,
			Steps: []Step{{Do: swallow, Then: 8 * second}},
			Gap:   Gap{watches, "a probe comes on a new connection, so a poll stays where nothing will ever come"},
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
	}
	return scenarios
}

// ofTheCluster are faults of more than the one member, and of one that is half
// well.
func ofTheCluster() []Scenario {
	well := []Promise{{Load: reads, NoFailure: true}, {Load: sets, NoFailure: true}, {Load: watches, NoFailure: true, Stall: 10 * second}}
	all := append(slices.Clone(well), Promise{Load: creates, NoFailure: true}, Promise{Load: swaps, NoFailure: true})
	flap := func(down, up Deed) []Step { return []Step{{Do: down, Then: second}, {Do: up, Then: second}} }
	return []Scenario{
		{
			Name: "reset connections, StrictWrites", StrictWrites: true,
			Promises: []Promise{{Load: reads, NoFailure: true}, {Load: watches, NoFailure: true}},
			Steps:    []Step{{Do: reset, On: Next, Then: 250 * time.Millisecond}}, Length: 15 * second, Short: 3 * second,
		},
		{
			Name: "slow: each answer of the pinned member 1.5 s late", Promises: all,
			Steps: []Step{{Do: slowDown, Then: 5 * second}, {Do: clearFaults, Then: second}}, Length: 15 * second,
		},
		{
			Name: "flapping: refuses, accepts, every second", Promises: well,
			Steps: flap(refuse, accept), Length: 20 * second, Short: 6 * second,
		},
		{
			Name: "flapping: stops, goes on, every second", Promises: well,
			Steps: flap(stop, goOn), Length: 20 * second, Short: 6 * second,
		},
		{
			Name: "leader change: kill -9 whoever leads", Role: Leader,
			Steps:  []Step{{Do: kill, On: LeaderOfTheHour, Then: 2 * second}, {Do: restart, On: Same, Then: second}},
			Length: 30 * second, Short: 8 * second,
		},
		{
			Name:   "rolling restart of all members (kill -9)",
			Steps:  slices.Repeat([]Step{{Do: kill, On: Next, Then: 1500 * time.Millisecond}, {Do: restart, On: Same, Then: 1500 * time.Millisecond}}, 3),
			Length: time.Minute,
		},
		{
			Name:   "all members down, and back",
			Steps:  []Step{{Do: kill, On: All, Then: 3 * second}, {Do: restartAll, On: Same, Then: 2 * second}},
			Length: 20 * second,
		},
	}
}
