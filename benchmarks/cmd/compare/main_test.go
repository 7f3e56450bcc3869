package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/etcd/client/benchmarks"
)

const committedResults = "../../results.json"

func TestMain(m *testing.M) {
	benchmarks.RunRole()
	os.Exit(m.Run())
}

func TestParse_Errors(t *testing.T) {
	for arguments, want := range map[string]string{
		"-from=a -results=b":         "-from and -results exclude each other: -from measures nothing",
		"-from=a -run=get":           "-from and -run exclude each other",
		"-from=a -rounds=1":          "-from and -rounds exclude each other",
		"-from=a -for=1s":            "-from and -for exclude each other",
		"-from=a -short":             "-from and -short exclude each other",
		"-list -from=a":              "-list and -from exclude each other",
		"-list -chart=a":             "-list and -chart exclude each other: -list only prints names",
		"-list -run=get":             "-list and -run exclude each other",
		"-short -results=a":          "-short and -results exclude each other: -short measures too little to keep",
		"-short -readme=a":           "-short and -readme exclude each other",
		"-run=get -chart=a":          "-run and -chart exclude each other: -run leaves rows out",
		"-run=get -table=a":          "-run and -table exclude each other",
		"-run=get -readme=a":         "-run and -readme exclude each other",
		"-from=":                     "-from wants the name of a file",
		"-chart=":                    "-chart wants the name of a file",
		"-results=a -chart=./a":      "-results and -chart name the same file a",
		"-from=a -table=b -readme=b": "-table and -readme name the same file b",
		"-run=(":                     "missing closing )",
		"-rounds=many":               "invalid value",
		"-charts=a":                  "flag provided but not defined",
		"get":                        `unexpected argument "get"`,
	} {
		_, err := parse(strings.Fields(arguments), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", arguments, err, want)
		}
	}
}

func TestParse_Help(t *testing.T) {
	var usage bytes.Buffer
	if _, err := parse([]string{"-h"}, &usage); !errors.Is(err, flag.ErrHelp) || !strings.Contains(usage.String(), "-readme file") {
		t.Errorf("got %v and %q", err, &usage)
	}
}

// compare runs the command and returns what it printed.
func compare(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), arguments, &out, io.Discard)
	return out.String(), err
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRun_List(t *testing.T) {
	out, err := compare(t, "-list")
	if err != nil || strings.Count(out, "\n") != len(benchmarks.Rows()) {
		t.Errorf("%q, %v", out, err)
	}
}

// What is measured is written, and a file of it is read again as if it had been measured.
func TestRun_ResultsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	measured, err := compare(t, "-run=^error-reply$", "-rounds=1", "-for=1ms", "-results="+file)
	if err != nil {
		t.Fatal(err)
	}
	read, err := compare(t, "-from="+file)
	if err != nil || read != measured || !strings.Contains(read, "| Get, canned error document |") {
		t.Errorf("%v; read\n%s\nmeasured\n%s", err, read, measured)
	}
}

func TestRun_WritesFiles(t *testing.T) {
	directory := t.TempDir()
	chart := filepath.Join(directory, "speed.svg")
	table := filepath.Join(directory, "table.md")
	readme := filepath.Join(directory, "readme.md")
	for from, to := range map[string]string{"../../README.md": table, "../../../README.md": readme} {
		if err := os.WriteFile(to, []byte(readFile(t, from)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := compare(t, "-from="+committedResults, "-chart="+chart, "-table="+table, "-readme="+readme)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(readFile(t, table), out) {
		t.Error("the page has another table than the output")
	}
	for got, want := range map[string]string{chart: "../../../docs/speed.svg", table: "../../README.md", readme: "../../../README.md"} {
		if readFile(t, got) != readFile(t, want) {
			t.Errorf("%s is not as committed", want)
		}
	}
}

func TestRun_WritesNothing(t *testing.T) {
	directory := t.TempDir()
	chart := filepath.Join(directory, "speed.svg")
	results := filepath.Join(directory, "results.json")
	page := filepath.Join(directory, "page.md")
	partial := filepath.Join(directory, "partial.json")
	if err := os.WriteFile(page, []byte("# No section\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := compare(t, "-run=^error-reply$", "-rounds=1", "-for=1ms", "-results="+partial); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"a page without the section": {[]string{"-from=" + committedResults, "-chart=" + chart, "-readme=" + page}, "page.md: "},
		// Before any row is measured.
		"a page that is missing":       {[]string{"-results=" + results, "-table=" + page + "x"}, "no such file"},
		"results that are missing":     {[]string{"-from=" + page + "x", "-chart=" + chart}, "no such file"},
		"results that are not JSON":    {[]string{"-from=" + page, "-chart=" + chart}, "page.md: "},
		"results without a chart line": {[]string{"-from=" + partial, "-chart=" + chart}, `0 lines of "Get, loopback"`},
		"no row":                       {[]string{"-run=^$", "-results=" + results}, "no row matches"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := compare(t, test.arguments...); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"-results=" + results}, io.Discard, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	for _, file := range []string{chart, results} {
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
