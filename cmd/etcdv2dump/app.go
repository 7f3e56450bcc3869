package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// An app is one run of the command.
type app struct {
	surroundings
	connection connection
	json       bool

	started time.Time
	running string // the command that got past its flags; "" while there is none
	help    string // how to get help for it
	// onceMore says what to do after an interruption or a failure; "" for nothing.
	onceMore string
	result   result // what it came to, however it ended; nil: nothing to tell
}

// A result is what a command has to tell at its end, also after a failure.
type result interface {
	// human is told on stderr: whole lines, or nothing.
	human() string
	// record fills in what a result has for scripts besides its own fields.
	record(outcome)
}

// An outcome is what the result of every command has for scripts.
type outcome struct {
	Command  string   `json:"command,omitempty"`
	ExitCode int      `json:"exitCode"`
	Error    *failure `json:"error,omitempty"`
	Seconds  float64  `json:"seconds"`
}

func (o *outcome) record(of outcome) { *o = of }

func (*outcome) human() string { return "" }

// A failure is an error for scripts.
type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// work is the body of a command. A result counts also beside an error.
type work func(ctx context.Context, args []string) (result, error)

// runs makes a cobra command run do, with the connection known and its time
// bounded.
func (a *app) runs(do work) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.running = cmd.Name()
		if err := a.connection.complete(cmd.Flags(), a.env); err != nil {
			return err
		}
		ctx := cmd.Context()
		if a.connection.totalTimeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, a.connection.totalTimeout,
				fmt.Errorf("%w: --total-timeout, %v, is over", errTotalTimeout, a.connection.totalTimeout))
			defer cancel()
		}
		var err error
		a.result, err = do(ctx, args)
		if err != nil && errors.Is(context.Cause(ctx), errTotalTimeout) {
			return context.Cause(ctx)
		}
		return err
	}
}

// print prints what was asked for.
func (a *app) print(format string, args ...any) error {
	if _, err := fmt.Fprintf(a.stdout, format, args...); err != nil {
		return dumpError{err}
	}
	return nil
}

// end tells what the run came to, and gives its exit code.
func (a *app) end(ctx context.Context, err error) int {
	end := a.classify(ctx, err)
	if a.json {
		return a.endJSON(end, err)
	}
	if a.result != nil {
		a.say("%s", a.result.human())
	}
	if err != nil && !errors.Is(err, errDifferent) { // The result says that already.
		a.say("etcdv2dump: %s\n", end.message)
	}
	if end.hint != "" {
		a.say("%s\n", end.hint)
	}
	return end.code
}

// endJSON puts the result on stdout, as one object. A command that only prints
// text, as --help does, has none.
func (a *app) endJSON(end ending, err error) int {
	if a.result == nil {
		if err == nil {
			return end.code
		}
		a.result = &outcome{}
	}
	of := outcome{Command: a.running, ExitCode: end.code, Seconds: time.Since(a.started).Seconds()}
	if err != nil {
		of.Error = &failure{Kind: end.kind, Message: end.message}
	}
	a.result.record(of)
	if err := json.NewEncoder(a.stdout).Encode(a.result); err != nil {
		a.say("etcdv2dump: the result can't be written: %v\n", err)
		return exitDump
	}
	return end.code
}
