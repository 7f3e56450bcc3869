package main

import (
	"os"

	"github.com/cheggaaa/pb/v3"
	"golang.org/x/term"

	"github.com/coreos/etcd/client/dump"
)

// The line of a phase whose end is known, and of one whose end is not.
const (
	barTemplate     pb.ProgressBarTemplate = `{{string . "phase"}} {{counters .}} {{bar . "[" "=" ">" " " "]"}} {{percent . "%.0f%%"}}{{rtime . " %s left" "" ""}}`
	counterTemplate pb.ProgressBarTemplate = `{{string . "phase"}} {{counters .}}`
)

// A bar shows on a terminal how far a phase has come, and is gone when all is
// done. One without a terminal shows nothing.
type bar struct {
	tty   *os.File // nil: none
	phase dump.Phase
	// bounded is true while the end of the phase is known.
	bounded bool
	pb      *pb.ProgressBar
}

// newBar makes the bar for stderr. It stays dark where stdout, with data on it,
// is the same terminal.
func (a *app) newBar(dataOnStdout bool) *bar {
	tty, ok := terminal(a.stderr)
	if !ok {
		return &bar{}
	}
	if _, both := terminal(a.stdout); both && dataOnStdout {
		return &bar{}
	}
	return &bar{tty: tty}
}

// show draws the bar. It is for one goroutine, the one that does the work.
func (b *bar) show(p dump.Progress) {
	if b.tty == nil {
		return
	}
	if b.pb == nil || p.Phase != b.phase || (p.Total > 0) != b.bounded {
		b.begin(p)
	}
	b.pb.SetTotal(p.Total).SetCurrent(p.Done)
	if width, _, err := term.GetSize(int(b.tty.Fd())); err == nil {
		b.pb.SetWidth(width)
	}
	b.pb.Write()
}

func (b *bar) begin(p dump.Progress) {
	b.end()
	b.phase, b.bounded = p.Phase, p.Total > 0
	template := counterTemplate
	if b.bounded {
		template = barTemplate
	}
	// A static one draws when it is told to, and needs no goroutine.
	b.pb = template.New(0).Set(pb.Static, true).Set(pb.Terminal, true).Set(pb.CleanOnFinish, true).
		Set(pb.Color, false).SetWriter(b.tty).Set("phase", phaseName(p.Phase)).Start()
}

// end clears the line.
func (b *bar) end() {
	if b.pb != nil {
		b.pb.Finish()
		b.pb = nil
	}
}

func phaseName(p dump.Phase) string {
	switch p {
	case dump.PhaseRead:
		return "Reading the store"
	case dump.PhaseSearch:
		return "Looking for hidden nodes"
	case dump.PhaseWrite:
		return "Writing the dump"
	case dump.PhaseFollow:
		return "Following, until Ctrl-C: changes"
	case dump.PhaseCheck:
		return "Checking the dump"
	case dump.PhaseApply:
		return "Importing"
	case dump.PhaseVerify:
		return "Verifying"
	case dump.PhaseRemove:
		return "Removing"
	}
	return string(p)
}
