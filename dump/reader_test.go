package dump_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

const (
	header  = `{"header":{"format":"etcd-v2-dump","version":1,"root":"/","index":9,"time":"2026-11-22T00:00:00Z"}}` + "\n"
	resync  = `{"header":{"format":"etcd-v2-dump","version":1,"root":"/","index":19,"time":"2026-11-22T00:00:00Z","resync":true}}` + "\n"
	trailer = `{"trailer":{"keys":0,"directories":0,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}` + "\n"
	change  = `{"change":{"kind":"set","index":12,"node":{"key":"/a","value":"1"}}}` + "\n"
)

// node is a line for a file.
func node(key string) string { return `{"node":{"key":"` + key + `","value":"v"}}` + "\n" }

// readAll reads a dump to its end.
func readAll(text string) (records int, err error) {
	for lines := dump.NewReader(strings.NewReader(text)); ; records++ {
		if _, err = lines.Next(); err != nil {
			if _, again := lines.Next(); !errors.Is(again, err) {
				return records, errors.New("the error is not repeated")
			}
			return records, err
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		line   int64
		reason string
	}{
		"another format":              {strings.Replace(header, "etcd-v2-dump", "tar", 1), 1, `the format is "tar"`},
		"another version":             {strings.Replace(header, `"version":1`, `"version":2`, 1), 1, "version 2"},
		"a root that is no key":       {strings.Replace(header, `"root":"/"`, `"root":"/a/../b"`, 1), 1, `the root "/a/../b" is no key`},
		"a resync at the beginning":   {resync, 1, "does not belong here"},
		"no header":                   {node("/a"), 1, "the header is missing"},
		"two headers":                 {header + header, 2, "does not belong here"},
		"a header behind the end":     {header + trailer + header, 3, "does not belong here"},
		"another root":                {header + trailer + strings.Replace(resync, `"root":"/"`, `"root":"/a"`, 1), 3, "the root changes"},
		"no JSON":                     {header + "nonsense\n", 2, "not the JSON of a dump"},
		"an empty line":               {header + "\n" + trailer, 2, "not the JSON of a dump"},
		"another type":                {header + `{"node":{"key":1}}` + "\n", 2, "not the JSON of a dump"},
		"nothing known":               {header + `{"note":{}}` + "\n", 2, "not one of header, node, trailer and change"},
		"two in a line":               {header + `{"node":{"key":"/a"},"trailer":{}}` + "\n", 2, "not one of"},
		"invalid UTF-8":               {header + node("/\xff"), 2, "not valid UTF-8"},
		"a key without slash":         {header + node("a"), 2, `"a" is no key`},
		"a key with a slash too many": {header + node("/a//b"), 2, `"/a//b" is no key`},
		"a key that leaves":           {header + node("/a/.."), 2, `"/a/.." is no key`},
		"a NUL":                       {header + node(`/a\u0000`), 2, "is no key"},
		"the root of all":             {header + node("/"), 2, "not within the root"},
		"a key outside":               {strings.Replace(header, `"root":"/"`, `"root":"/a"`, 1) + node("/ab"), 2, `"/ab" is not within the root "/a"`},
		"a directory with a value":    {header + `{"node":{"key":"/a","dir":true,"value":"v"}}` + "\n", 2, "has a value"},
		"a key twice":                 {header + node("/a") + node("/a"), 3, `"/a" does not come after "/a"`},
		"the wrong order":             {header + node("/a-b") + node("/a/c"), 3, `"/a/c" does not come after "/a-b"`},
		"wrong counts":                {header + node("/a") + trailer, 3, "the trailer says 0 keys, 0 directories"},
		"a wrong sum":                 {header + strings.Replace(trailer, "e3b0", "e3b1", 1), 2, "the trailer says"},
		"a node behind the end":       {header + trailer + node("/a"), 3, "outside of a snapshot"},
		"two trailers":                {header + trailer + trailer, 3, "outside of a snapshot"},
		"a change before the end":     {header + change + trailer, 2, "before the trailer"},
		"a change of no kind":         {header + trailer + strings.Replace(change, `"set"`, `"resync"`, 1), 3, `"resync" is no kind`},
		"changes in disorder":         {header + trailer + change + strings.Replace(change, "12", "11", 1), 4, "index 11 comes after 12"},
		"a change before its time":    {header + trailer + strings.Replace(change, "12", "8", 1), 3, "index 8 comes after 9"},
		"a change outside":            {header + trailer + strings.Replace(change, "/a", "/", 1), 3, "not within the root"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(c.text)
			var wrong *dump.FormatError
			if !errors.As(err, &wrong) || wrong.Line != c.line || !strings.Contains(wrong.Error(), c.reason) {
				t.Errorf("got %v", err)
			}
			if c.reason == "not the JSON of a dump" && wrong != nil && wrong.Unwrap() == nil {
				t.Error("what JSON says is lost")
			}
			if strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("the text is %q", err)
			}
		})
	}
}

func TestReaderReads(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		n    int
		want error
	}{
		"a dump":                      {header + trailer, 2, io.EOF},
		"changes":                     {header + trailer + change + change, 4, io.EOF},
		"a further snapshot":          {header + trailer + change + resync + trailer + strings.Replace(change, "12", "20", 1), 6, io.EOF},
		"no break at the end":         {header + strings.TrimSuffix(trailer, "\n"), 2, io.EOF},
		"fields of a later time":      {header + strings.Replace(trailer, "{", `{"new":1,`, 1), 2, io.EOF},
		"nothing":                     {"", 0, dump.ErrTruncated},
		"no trailer":                  {header, 1, dump.ErrTruncated},
		"no second trailer":           {header + trailer + resync, 3, dump.ErrTruncated},
		"half a change":               {header + trailer + change[:20], 2, dump.ErrTruncated},
		"half a character at its end": {header + node("/é")[:18], 1, dump.ErrTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			if n, err := readAll(c.text); n != c.n || !errors.Is(err, c.want) {
				t.Errorf("got %d lines and %v", n, err)
			}
		})
	}
}

func TestReaderTakesLongLinesAndBoundsThem(t *testing.T) {
	long := strings.Replace(node("/a"), `"v"`, `"`+strings.Repeat("x", 1<<20)+`"`, 1)
	lines := dump.NewReader(strings.NewReader(header + long + node("/b")))
	for _, want := range []int{0, 1 << 20, 1} {
		rec, err := lines.Next()
		if err != nil {
			t.Fatal(err)
		}
		if rec.Node != nil && len(rec.Node.Value) != want {
			t.Errorf("got a value of %d bytes", len(rec.Node.Value))
		}
	}
	var wrong *dump.FormatError
	if _, err := dump.NewReader(endless{}).Next(); !errors.As(err, &wrong) || wrong.Line != 1 {
		t.Errorf("got %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReaderGivesErrorsOfReadingAsTheyAre(t *testing.T) {
	broken := errors.New("the disk is broken")
	in := io.MultiReader(strings.NewReader(header+node("/a")), failing{broken})
	lines := dump.NewReader(in)
	var err error
	for err == nil {
		_, err = lines.Next()
	}
	if err != broken { //nolint:errorlint // as it is
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzReader(f *testing.F) {
	for _, text := range []string{
		header + trailer, header + node("/a") + node("/b"), header + trailer + change, header + trailer + resync + trailer + change,
	} {
		f.Add([]byte(text))
	}
	whole := keystest.New()
	for i, name := range names {
		if _, err := whole.Set(f.Context(), "/"+name, texts[i%len(texts)], nil); err != nil {
			f.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := dump.Export(f.Context(), whole, &out, dump.ExportOptions{}); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := dump.NewReader(bytes.NewReader(text))
		var last string
		for {
			rec, err := lines.Next()
			var wrong *dump.FormatError
			switch {
			case errors.Is(err, io.EOF), errors.Is(err, dump.ErrTruncated), errors.As(err, &wrong) && wrong.Line > 0:
				return
			case err != nil:
				t.Fatalf("an error that is none of its own: %v", err)
			case rec.Header != nil:
				last = ""
			case rec.Node != nil && (rec.Node.Key == "" || rec.Node.Key[0] != '/' || rec.Node.Key == last):
				t.Fatalf("node %q behind %q", rec.Node.Key, last)
			case rec.Node != nil:
				last = rec.Node.Key
			}
		}
	})
}
