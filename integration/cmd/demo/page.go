package main

import (
	"fmt"
	"io"
	"os"
)

// A page prints the steps, in colour where that is wanted.
type page struct {
	out                 io.Writer
	dim, bold, ordinary string // escape sequences, empty without colour
}

// newPage prints to file, with colour on a terminal unless NO_COLOR is set.
func newPage(file *os.File) *page {
	p := &page{out: file}
	info, err := file.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	if terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		p.dim, p.bold, p.ordinary = "\x1b[2m", "\x1b[1m", "\x1b[0m"
	}
	return p
}

// note prints a line beside the steps.
func (p *page) note(text string) { p.line("%s%s%s\n", p.dim, text, p.ordinary) }

// step prints one numbered step.
func (p *page) step(number int, title, shown string) {
	p.line("%s%2d%s  %s%-22s%s%s\n", p.dim, number, p.ordinary, p.bold, title, p.ordinary, shown)
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p.out, format, args...) //nolint:errcheck // A closed pipe loses the show, not the checks.
}
