package benchmarks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// Results are the lines of one run, and where and when it was.
type Results struct {
	// Date is the day of the run, as in 2006-01-02, in UTC.
	Date string `json:"date"`
	// Machine describes the processor, the Go version and the platform.
	Machine string `json:"machine"`
	// LoadAverage is the machine's load average of the minute before the run; empty
	// where it was not known.
	LoadAverage string `json:"loadAverage,omitempty"`
	// Lines are what was measured, in the order of the table.
	Lines []Line `json:"lines"`
}

// NewResults returns results without lines, of a run on this machine that begins now.
func NewResults() Results {
	return Results{Date: time.Now().UTC().Format(time.DateOnly), Machine: measure.Machine(), LoadAverage: measure.LoadAverage()}
}

// ReadResults decodes what [Results.Encode] wrote. Unknown fields, data behind the
// results, and results without a date, a machine or a line are errors.
func ReadResults(from io.Reader) (Results, error) {
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	var r Results
	if err := decoder.Decode(&r); err != nil {
		return Results{}, fmt.Errorf("benchmarks: results: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Results{}, errors.New("benchmarks: results: data behind the results")
	}
	if err := r.check(); err != nil {
		return Results{}, fmt.Errorf("benchmarks: results: %w", err)
	}
	return r, nil
}

func (r Results) check() error {
	if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
		return fmt.Errorf("the date: %w", err)
	}
	if r.Machine == "" {
		return errors.New("no machine")
	}
	if len(r.Lines) == 0 {
		return errors.New("no lines")
	}
	for _, l := range r.Lines {
		if l.Work == "" || l.Measured == "" || l.Ours == "" {
			return fmt.Errorf("a line without work, measured or ours: %+v", l)
		}
		switch l.Verdict {
		case Met, Missed, NoLimit:
		default:
			return fmt.Errorf("%s, %s: unknown verdict %q", l.Work, l.Measured, l.Verdict)
		}
	}
	return nil
}

// Encode returns the results as JSON.
func (r Results) Encode() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("benchmarks: results: %w", err)
	}
	return b.Bytes(), nil
}

// Markdown returns where and when the lines were measured, and the table of them.
func (r Results) Markdown() string {
	return fmt.Sprintf("Measured on %s: medians of interleaved rounds, ± half the distance between the quartiles.\n\n%s",
		r.environment(), Table(r.Lines))
}

// environment returns the machine, the date, and the load average where it is known.
func (r Results) environment() string {
	text := r.Machine + ", " + r.Date
	if r.LoadAverage != "" {
		text += ", load average " + r.LoadAverage + " before the run"
	}
	return text
}
