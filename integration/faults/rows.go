package faults

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// A Row is a scenario in a network.
type Row struct {
	Scenario Scenario
	Network  Network
}

// Rows returns each scenario in each network to which it applies.
func Rows() (rows []Row) {
	for _, n := range Networks() {
		for _, sc := range Scenarios() {
			if r := (Row{sc, n}); r.applies() {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// Name returns the names of the network and the scenario.
func (r Row) Name() string { return r.Network.Name + ": " + r.Scenario.Name }

func (r Row) applies() bool {
	n, sc := r.Network, r.Scenario
	if n.Only != nil && !contains(n.Only, sc.Name) || n.Only == nil && sc.Once && !n.Full {
		return false
	}
	if sc.Needs&RequestFaults != 0 && n.TLS || sc.Needs&Gateways != 0 && !n.Gateways {
		return false
	}
	return !slices.ContainsFunc(n.Exceptions, func(x Exception) bool { return x.Skip && x.matches(sc.Name) })
}

// IsShort reports whether the row is one of the short form.
func (r Row) IsShort() bool {
	return !r.Scenario.FullOnly && contains(r.Network.Short, r.Scenario.Name)
}

// IsLarge reports whether the row has so many watches that two processors have
// enough to do with it alone.
func (r Row) IsLarge() bool {
	return slices.ContainsFunc(r.loads(), func(l Load) bool { return l.Callers >= quietWatches })
}

// Length returns the length of the row in `make faults`.
func (r Row) Length() time.Duration {
	if r.Network.Full || r.Scenario.FullOnly {
		return r.Scenario.Length
	}
	return r.Scenario.Short
}

// loads returns those of the scenario and the network.
func (r Row) loads() []Load {
	loads := r.Scenario.Loads
	if loads == nil {
		loads = everyday()
	}
	hasQuiet := slices.ContainsFunc(loads, func(l Load) bool { return l.Name == quiet })
	if r.Network.QuietWatches > 0 && !hasQuiet {
		loads = append(slices.Clone(loads), quietly(0))
	}
	return loads
}

// promises returns those of the scenario, as the network lets them hold.
func (r Row) promises() []Promise {
	promises := slices.Clone(r.Scenario.Promises)
	for i := range promises {
		p := &promises[i]
		for _, x := range r.Network.Exceptions {
			if !x.matches(r.Scenario.Name) || x.Load != "" && x.Load != p.Load {
				continue
			}
			if x.MayFail > 0 && (p.NoFailure || p.MayFail > 0) {
				p.NoFailure, p.MayFail = false, max(p.MayFail, x.MayFail)
			}
			if p.Call > 0 {
				p.Call = max(p.Call, x.Call)
			}
			if p.Stall > 0 {
				p.Stall = max(p.Stall, x.Stall)
			}
		}
	}
	return promises
}

// RunUntilConclusive runs the row again where the machine was too busy for it to
// show anything: up to so many times, and not after a time that is not zero.
func (r Row) RunUntilConclusive(ctx context.Context, server harness.Server, length time.Duration, times int, over time.Time) (*Result, error) {
	for round := 1; ; round++ {
		result, err := r.Run(ctx, server, length)
		isTooBusy := errors.Is(err, ErrTooBusy) || err == nil && result.IsExcused()
		if !isTooBusy || round == times || !over.IsZero() && time.Now().After(over) {
			return result, err
		}
	}
}
