package faults

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Report makes a Markdown table of results, a row for each scenario. With all,
// there is a row for each load.
func Report(results []*Result, all bool) string {
	rows := [][]string{{
		"network", "scenario", "calls", "outcome unknown", "context ended", "no endpoint", "other errors",
		"lost", "twice", "late events", "stall: reads", "sets", "creates, swaps", "watches", "longest call", "probes",
	}}
	for _, r := range results {
		name, probes := r.Row.Scenario.Name, strconv.Itoa(r.Probes)
		if !all && !r.Row.Scenario.ByLoad {
			rows = append(rows, row(r.Row.Network.Name, name, probes, r.Loads))
			continue
		}
		for _, lr := range r.Loads {
			rows = append(rows, row(r.Row.Network.Name, name+": "+lr.Load.Name, "–", []LoadResult{lr}))
		}
	}
	return table(rows)
}

// row sums loads up. Watches have calls that wait for as long as it takes: they
// don't count for the longest call.
func row(network, name, probes string, loads []LoadResult) []string {
	var (
		sum    LoadResult
		stalls = map[string]time.Duration{}
	)
	for _, lr := range loads {
		sum.Calls += lr.Calls
		sum.Unknown += lr.Unknown
		sum.Context += lr.Context
		sum.Cluster += lr.Cluster
		sum.Other += lr.Other + lr.Behind
		sum.Lost += lr.Lost
		sum.Twice += lr.Twice
		sum.Late += lr.Late
		column := columnOf(lr.Load) // None for quiet watches, which report nothing.
		stalls[column] = max(stalls[column], lr.Stall)
		if !lr.Load.Lasting {
			sum.Call = max(sum.Call, lr.Call)
		}
	}
	cells := []string{network, name}
	for _, n := range []int{sum.Calls, sum.Unknown, sum.Context, sum.Cluster, sum.Other, sum.Lost, sum.Twice, sum.Late} {
		cells = append(cells, strconv.Itoa(n))
	}
	for _, column := range []string{reads, sets, creates, watches} {
		cells = append(cells, seconds(stalls[column]))
	}
	return append(cells, seconds(sum.Call), probes)
}

func columnOf(l Load) string {
	switch {
	case l.Name == reads || l.Name == watches || l.Name == quiet:
		return l.Name
	case l.AtMostOnce:
		return creates
	default:
		return sets
	}
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// table aligns cells, the first two columns to the left and the others to the right.
// The first row is the head.
func table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, cells := range rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for i, cells := range rows {
		for j, cell := range cells {
			space := strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell))
			if j < 2 {
				cell += space
			} else {
				cell = space + cell
			}
			b.WriteString("| " + cell + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(rule(widths))
		}
	}
	return b.String()
}

func rule(widths []int) string {
	var b strings.Builder
	for i, width := range widths {
		line := strings.Repeat("-", width+1)
		if i < 2 {
			b.WriteString("|" + line + "-")
			continue
		}
		b.WriteString("|" + line + ":")
	}
	return b.String() + "|\n"
}
