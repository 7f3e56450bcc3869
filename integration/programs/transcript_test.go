package programs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A step of a transcript is a command and what it prints.
type step struct {
	args []string
	want string // lines of output, each with its mark
}

// The marks of a transcript's lines.
const (
	markComment = "# "
	markCommand = "$ "
	markStdout  = "> "
	markStderr  = "! "
	markStatus  = "= " // the exit status, when it isn't zero
)

// gap stands for any text in a transcript, line ends included.
const gap = "..."

// readTranscript reads testdata/name.
func readTranscript(t *testing.T, name string) []step {
	t.Helper()
	content := must[[]byte](t)(os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name))))
	var steps []step
	for line := range strings.Lines(string(content)) {
		switch command, isCommand := strings.CutPrefix(line, markCommand); {
		case isCommand:
			steps = append(steps, step{args: strings.Fields(command)})
		case line == "\n" || strings.HasPrefix(line, markComment):
		case len(steps) == 0:
			t.Fatalf("%s: a line before the first command: %q", name, line)
		default:
			steps[len(steps)-1].want += line
		}
	}
	return steps
}

// transcribe writes down what a command did, as a transcript has it.
func transcribe(o outcome) string {
	var b strings.Builder
	mark := func(mark, text string) {
		if text == "" {
			return
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			b.WriteString(strings.TrimRight(mark+line, " ") + "\n")
		}
	}
	mark(markStdout, o.stdout)
	mark(markStderr, o.stderr)
	if o.code != 0 {
		fmt.Fprintf(&b, "%s%d\n", markStatus, o.code)
	}
	return b.String()
}

// A rewriter puts words for what differs from run to run.
type rewriter []struct {
	pattern *regexp.Regexp
	word    string
}

// rewrite returns the text with the words in place.
func (r rewriter) rewrite(text string) string {
	for _, rule := range r {
		text = rule.pattern.ReplaceAllString(text, rule.word)
	}
	return text
}

// runTranscript runs the commands of a transcript and compares what they print.
func runTranscript(t *testing.T, steps []step, words rewriter, do func(args ...string) outcome) {
	t.Helper()
	for _, s := range steps {
		got := words.rewrite(transcribe(do(s.args...)))
		pattern := strings.ReplaceAll(regexp.QuoteMeta(s.want), regexp.QuoteMeta(gap), "(?s:.*)")
		if must[bool](t)(regexp.MatchString("^"+pattern+"$", got)) {
			continue
		}
		t.Fatalf("$ %s (-want +got):\n%s", strings.Join(s.args, " "), cmp.Diff(s.want, got))
	}
}
