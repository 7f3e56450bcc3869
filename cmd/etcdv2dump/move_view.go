package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/move"
)

// A moveView shows how far a move is: as a bar on a terminal, as lines else, and as
// objects on stdout with --json.
type moveView struct {
	app      *app
	interval time.Duration

	mu     sync.Mutex // guards the fields below
	bar    *bar
	phase  move.Phase
	last   time.Time
	failed time.Time // when a failure was last told
}

func (a *app) newMoveView(interval time.Duration) *moveView {
	return &moveView{app: a, interval: interval, bar: a.newBar(map[dump.Phase]string{
		dump.Phase(move.PhaseCopy):   "Copying",
		dump.Phase(move.PhaseFollow): "Following, changes so far:",
		dump.Phase(move.PhaseSwitch): "Applying what is left, and comparing; changes so far:",
	}, false)}
}

// progress shows one state.
func (v *moveView) progress(p move.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p.Phase == move.PhaseDone {
		return // the result says more
	}
	if v.bar.tty != nil && !v.app.json {
		shown := dump.Progress{Phase: dump.Phase(p.Phase), Done: p.Applied}
		if p.Phase == move.PhaseCopy {
			shown.Done, shown.Total = min(p.Copied, p.Total), p.Total
		}
		if p.Phase != v.phase || p.Phase != move.PhaseFollow || time.Since(v.last) >= time.Second {
			v.phase, v.last = p.Phase, time.Now()
			v.bar.show(shown)
		}
		return
	}
	if p.Phase == v.phase && time.Since(v.last) < v.interval || p.Phase == move.PhaseCopy && p.Total == 0 {
		return
	}
	v.phase, v.last = p.Phase, time.Now()
	if v.app.json {
		v.print(p)
		return
	}
	switch p.Phase {
	case move.PhaseCopy:
		v.app.say("Copying: %d of %d nodes.\n", p.Copied, p.Total)
	case move.PhaseFollow:
		v.app.say("Following: %s applied, %d waiting, %.1f s behind.\n", count(p.Applied, "change"), p.Pending, p.Behind.Seconds())
	default:
		v.app.say("Switching: applying what is left, and comparing.\n")
	}
}

// A status is how far a move is, for scripts.
type status struct {
	Phase   move.Phase `json:"phase"`
	Copied  int64      `json:"copied"`
	Total   int64      `json:"total"`
	Applied int64      `json:"applied"`
	Pending int64      `json:"pending"`
	Behind  float64    `json:"behindSeconds"`
	Resyncs int64      `json:"resyncs"`
	Refused int64      `json:"refused"`
	Index   uint64     `json:"index"`
}

func (v *moveView) print(p move.Progress) {
	_ = json.NewEncoder(v.app.stdout).Encode(map[string]status{"status": { //nolint:errcheck // the result will tell
		Phase: p.Phase, Copied: p.Copied, Total: p.Total, Applied: p.Applied, Pending: p.Pending,
		Behind: p.Behind.Seconds(), Resyncs: p.Resyncs, Refused: p.Refused, Index: p.Index,
	}})
}

// retry tells of a failure, not of each of many.
func (v *moveView) retry(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if time.Since(v.failed) < v.interval || v.app.json {
		return
	}
	v.failed = time.Now()
	v.bar.end()
	v.app.say("Trying again: %s\n", strings.TrimPrefix(err.Error(), "move: "))
}

// say tells something else.
func (v *moveView) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bar.end()
	if !v.app.json {
		v.app.say(format, args...)
	}
}

func (v *moveView) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bar.end()
}

// switchSignals gives the signals that tell to switch.
func (a *app) switchSignals() (told <-chan os.Signal, stop func()) {
	if a.notifySwitch == nil {
		return nil, func() {}
	}
	return a.notifySwitch()
}

// awaitSwitch waits until somebody tells to switch.
func (a *app) awaitSwitch(ctx context.Context, m *move.Move, told <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	typed := make(chan error, 1)
	if _, ok := terminal(a.stdin); ok {
		go func() { typed <- a.readSwitch(ctx) }()
	}
	for {
		select {
		case <-told:
			return nil
		case err := <-typed:
			if err == nil || ctx.Err() != nil {
				return err
			}
			typed = nil // nobody is at the terminal any more
		case <-m.Done():
			return m.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readSwitch reads lines until one is the word.
func (a *app) readSwitch(ctx context.Context) error {
	lines := bufio.NewReader(a.stdin)
	for {
		line, err := whileWanted(ctx, func() (string, error) { return lines.ReadString('\n') })
		if err != nil || strings.TrimSpace(line) == "switch" {
			return err
		}
		a.say("Type switch and Enter when the programs have stopped, or Ctrl-C to stop without.\n")
	}
}
