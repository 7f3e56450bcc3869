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

// clearLine takes the cursor back to the beginning of a line that is then empty.
const clearLine = "\r\x1b[2K"

// A bar shows on a terminal how far a phase has come, and is gone when all is
// done. One without a terminal shows nothing.
type bar struct {
	tty     *os.File // nil: none
	names   map[dump.Phase]string
	phase   dump.Phase
	bounded bool // the end of the phase is known
	pb      *pb.ProgressBar
}

// newBar makes the bar for stderr. It stays dark where stdout, with data on it,
// is a terminal too.
func (a *app) newBar(names map[dump.Phase]string, dataOnStdout bool) *bar {
	tty, ok := terminal(a.stderr)
	if !ok {
		return &bar{}
	}
	if _, both := terminal(a.stdout); both && dataOnStdout {
		return &bar{}
	}
	return &bar{tty: tty, names: names}
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
	name, ok := b.names[p.Phase]
	if !ok {
		name = string(p.Phase)
	}
	// A static one draws when it is told to, and has no goroutine.
	b.pb = template.New(0).Set(pb.Static, true).Set(pb.Terminal, true).Set(pb.Color, false).
		SetWriter(b.tty).Set("phase", name).Start()
}

// end clears the line.
func (b *bar) end() {
	if b.pb == nil {
		return
	}
	b.pb = nil
	_, _ = b.tty.WriteString(clearLine) //nolint:errcheck // nobody is there to see it
}
