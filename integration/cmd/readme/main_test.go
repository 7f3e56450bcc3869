//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fence is what begins and ends a block.
const fence = "```"

// followText follows a README in an empty directory, and returns that. The timeout
// is that of blocks in the foreground.
func followText(t *testing.T, readme string, timeout time.Duration) (string, error) {
	t.Helper()
	m, err := newMachine(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(m.dir, "start")
	if err = os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := follower{machine: m, log: io.Discard, out: io.Discard, timeout: timeout}
	return dir, f.follow(t.Context(), dir, readme)
}

func sh(text string) string         { return fence + "sh\n" + text + "\n" + fence + "\n\n" }
func foreground(text string) string { return fence + "sh foreground\n" + text + "\n" + fence + "\n\n" }
func shown(text string) string      { return fence + "text\n" + text + "\n" + fence + "\n\n" }

func TestFollow(t *testing.T) {
	dir, err := followText(t, "# Title\n\n"+
		foreground("echo ready; sleep 60")+shown("ready")+
		sh("mkdir -p ../hello\ncd ../hello")+
		fence+"go x.go\npackage x\n"+fence+"\n"+
		fence+"go\nx := 1 // a part of a program\n"+fence+"\n"+
		sh("pwd | sed 's/.*\\///'\ncat x.go")+"It prints:\n\n"+shown("hello\npackage x"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "..", "hello", "x.go")); err != nil {
		t.Error(err)
	}
}

// TestFollow_FindsMistakes has one README for each thing that can be wrong.
func TestFollow_FindsMistakes(t *testing.T) {
	good := sh("echo a") + shown("a")
	for name, c := range map[string]struct{ readme, want string }{
		"another output":            {sh("echo b") + shown("a"), "printed\nb\nthe README shows\na\n"},
		"more output":               {sh("echo a\necho b") + shown("a"), "printed\na\nb\n"},
		"less output":               {sh("true") + shown("a"), "the README shows\na\n"},
		"a command that fails":      {good + sh("false\necho a") + shown("a"), "README.md:10, after"},
		"no such program":           {good + sh("gcc --version"), "exit status 127"},
		"a server that ends":        {foreground("echo no") + shown("ready"), "it ended"},
		"a server that ends later":  {foreground("echo ready") + shown("ready") + sh("sleep 0.1; echo a") + shown("a"), "ended"},
		"a server that is not so":   {foreground("echo no; sleep 60") + shown("ready"), "printed\nno\nthe README shows\nready\n"},
		"a server without a sign":   {foreground("sleep 60") + good, "must show what a block in the foreground prints"},
		"nothing to paste":          {"# Title\n", "0 blocks to paste"},
		"nothing to compare":        {sh("true"), "0 outputs to compare"},
		"no end":                    {good + fence + "sh\ntrue\n", "a block without an end"},
		"an unknown language":       {good + fence + "json\n{}\n" + fence + "\n", `where to paste a block of "json"`},
		"an unknown word":           {good + fence + "sh later\ntrue\n" + fence + "\n", `where to paste a block of "sh later"`},
		"output of nothing":         {shown("a") + good, "there is none"},
		"output of a program alone": {good + fence + "go x.go\npackage x\n" + fence + "\n" + shown("a"), "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Minute
			if name == "a server that is not so" {
				timeout = 300 * time.Millisecond // It is waited for until then.
			}
			_, err := followText(t, c.readme, timeout)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want one with %q", err, c.want)
			}
		})
	}
}
