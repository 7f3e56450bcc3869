package benchmarks

import (
	"fmt"
	"strings"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// A highlight is work that the chart shows, and README.md where it names it. Of all of
// them the line about processor time is taken.
type highlight struct {
	work        string // of the Line
	title, note string // on the chart
	readme      string // in README.md's table; empty where it is not there
}

// highlights are the chart's groups and README.md's rows, in this order.
func highlights() []highlight {
	return []highlight{
		{work: loopbackWork("Get"), title: "Get", note: "one small key", readme: "`Get` of a small key"},
		{work: loopbackWork("Set"), title: "Set", note: "one small key"},
		{work: treeWork(1000), title: "Recursive Get", note: "1,000 nodes"},
		{work: treeWork(10000), title: "Recursive Get", note: "10,000 nodes"},
		{work: treeWork(100000), title: "Recursive Get", note: "100,000 nodes", readme: "recursive `Get` of 100,000 nodes"},
		{work: watcherWork, title: "Watcher", note: "an event, by a long poll"},
		{
			work: eventsWork, title: "Events", note: "an event; others: a long poll",
			readme: "an event: ours of an `Events` stream, the others' by a long poll",
		},
	}
}

// The clients as readers of the chart and of README.md know them.
const (
	oursTitle     = "this client"
	historicTitle = "historic client"
	bareTitle     = "net/http + encoding/json"
)

// ReadmeRows returns README.md's table, in Markdown. A line that is missing is an error.
func (r Results) ReadmeRows() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "| work (processor time) | ours | %s | %s |\n|---|--:|--:|--:|\n", historicTitle, bareTitle)
	for _, h := range highlights() {
		if h.readme == "" {
			continue
		}
		l, err := r.comparison(h.work, processorTime)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", h.readme, l.Ours, l.Historic, l.Other)
	}
	return b.String(), nil
}

// comparison returns the one line of that work, which compares times of all three
// clients. It is an error when there is no such line or more than one, and when its cells
// and its medians differ.
func (r Results) comparison(work, measured string) (Line, error) {
	var found []Line
	for _, l := range r.Lines {
		if l.Work == work && l.Measured == measured {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		return Line{}, fmt.Errorf("benchmarks: results: %d lines of %q, %q instead of one", len(found), work, measured)
	}
	line := found[0]
	if line.Medians == nil {
		return Line{}, fmt.Errorf("benchmarks: results: %q, %q has no medians", work, measured)
	}
	for _, client := range []struct {
		cell   string
		median float64
	}{
		{line.Ours, line.Medians.Ours},
		{line.Historic, line.Medians.Historic},
		{line.Other, line.Medians.Other},
	} {
		if client.median <= 0 {
			return Line{}, fmt.Errorf("benchmarks: results: %q, %q has no median of each client", work, measured)
		}
		figure, _, _ := strings.Cut(client.cell, " ±")
		if want := measure.Nanoseconds(client.median); figure != want {
			return Line{}, fmt.Errorf("benchmarks: results: %q, %q has %q beside a median of %s", work, measured, client.cell, want)
		}
	}
	return line, nil
}
