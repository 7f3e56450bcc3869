package benchmarks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// ErrNoValgrind is returned where instructions can't be counted on this machine.
var ErrNoValgrind = errors.New("benchmarks: valgrind is not installed")

// workVariable holds what a process in workRole does: a [Work] and how often.
const workVariable = "BENCHMARKS_WORK"

// programVariable names a program that calls [RunRole], to be counted in place of
// this one: valgrind runs none that has the race detector.
const programVariable = "BENCHMARKS_PROGRAM"

// Work is something of which instructions are counted.
type Work struct {
	// Client is ours, historic, bare or reading, or the name of a decoder.
	Client string
	// Verb is get or set, of a small key; tree, which gets one recursively; or
	// decode, which decodes a tree.
	Verb string
	// Nodes is how many the tree has.
	Nodes int
}

// Instructions counts what one operation of work takes, as callgrind sees it: the
// difference of two runs, which differ in n operations, divided by n. No garbage is
// collected meanwhile: what that takes depends on the heap around, and counts
// would differ from run to run. It wants valgrind.
func Instructions(ctx context.Context, w Work, n int) (float64, error) {
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		return 0, ErrNoValgrind
	}
	program := os.Getenv(programVariable)
	if program == "" {
		if program, err = os.Executable(); err != nil {
			return 0, err
		}
	}
	warm := max(n/10, 1)
	few, err := runCounted(ctx, valgrind, program, w, warm)
	if err != nil {
		return 0, err
	}
	many, err := runCounted(ctx, valgrind, program, w, warm+n)
	return (many - few) / float64(n), err
}

func runCounted(ctx context.Context, valgrind, program string, w Work, n int) (float64, error) {
	cmd := exec.CommandContext(ctx, valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", program)
	cmd.Env = append(os.Environ(), roleVariable+"="+workRole, "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1",
		fmt.Sprintf("%s=%d\t%s\t%d\t%s", workVariable, n, w.Verb, w.Nodes, w.Client))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("benchmarks: valgrind: %w\n%s", err, said.Bytes())
	}
	m := regexp.MustCompile(`Collected : (\d+)`).FindSubmatch(said.Bytes())
	if m == nil {
		return 0, fmt.Errorf("benchmarks: valgrind says no count:\n%s", said.Bytes())
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// doWork does what the text of workVariable describes.
func doWork(text string) error {
	fields := strings.SplitN(text, "\t", 4)
	if len(fields) != 4 {
		return fmt.Errorf("benchmarks: %s is %q", workVariable, text)
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil {
		return err
	}
	nodes, err := strconv.Atoi(fields[2])
	if err != nil {
		return err
	}
	do, err := Work{Client: fields[3], Verb: fields[1], Nodes: nodes}.operation(context.Background())
	if err != nil {
		return err
	}
	return measure.Share(1, n, do)
}

// operation returns the function that does the work once.
func (w Work) operation(ctx context.Context) (func() error, error) {
	answer := smallGet()
	switch w.Verb {
	case "set":
		answer = smallSet()
	case "tree", "decode":
		answer = tree(w.Nodes)
	}
	if w.Verb == "decode" {
		for _, d := range decoders() {
			if d.name == w.Client {
				return func() error { return d.decode(answer, &document{}) }, nil
			}
		}
		return nil, fmt.Errorf("benchmarks: no decoder %q", w.Client)
	}
	for _, m := range wireMakers() {
		if m.name != w.Client {
			continue
		}
		p, err := m.make(config{endpoints: []string{cannedEndpoint}, transport: newCanned(answer)})
		if err != nil {
			return nil, err
		}
		switch w.Verb {
		case "get":
			return func() error { return p.get(ctx, smallKey) }, nil
		case "set":
			return func() error { return p.set(ctx, smallKey, "10.0.42.17:8080") }, nil
		case "tree":
			return func() error { return p.getTree(ctx, treeKey) }, nil
		}
		return nil, fmt.Errorf("benchmarks: no verb %q", w.Verb)
	}
	return nil, fmt.Errorf("benchmarks: no client %q", w.Client)
}
