package dump_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

// names are of nodes; some sort before "/", which separates them.
var names = []string{"a", "b", "a-b", "a.b", "a b", "_h", "_", "b_", "é", "日本", "q\"\\", "<&>", "\u2028", "\ufffd", "\x01", "~"}

// texts are values that JSON has its trouble with.
var texts = []string{"", "1", "two words", "line\nbreak", "\r\t\b\f\v\x00\x1f\x7f", "\"\\/", "\u2028\u2029", "\ufffd", "<script>&", "é日本🎈", `{"node":1}`}

// grow fills a store with a random tree.
func grow(t *testing.T, s *keystest.Store, r *rand.Rand, below string, nodes int) {
	t.Helper()
	dirs := []string{strings.TrimSuffix(below, "/")}
	for range nodes {
		key := dirs[r.IntN(len(dirs))] + "/" + names[r.IntN(len(names))]
		opts := client.SetOptions{Dir: r.IntN(3) == 0}
		if r.IntN(6) == 0 {
			opts.TTL = time.Duration(1+r.IntN(3)) * time.Hour
		}
		value := ""
		if !opts.Dir {
			value = texts[r.IntN(len(texts))]
		}
		_, err := s.Set(t.Context(), key, value, &opts)
		switch {
		case err == nil && opts.Dir:
			dirs = append(dirs, key)
		case err != nil && !client.IsNodeExist(err) && !isCode(err, client.ErrorCodeNotFile) && !isCode(err, client.ErrorCodeNotDir):
			t.Fatal(err)
		}
	}
}

func isCode(err error, code int) bool {
	e, ok := err.(client.Error) //nolint:errorlint // that is what a KeysAPI returns
	return ok && e.Code == code
}

// state is what a store holds, hidden nodes and all, but for indexes.
func state(s *keystest.Store) []string {
	var lines []string
	for _, n := range s.Dump() {
		if n.Key == "" || n.Key == "/" {
			continue
		}
		line := fmt.Sprintf("%q dir=%t %q", n.Key, n.Dir, n.Value)
		if n.Expiration != nil {
			line += " " + n.Expiration.UTC().Format(time.RFC3339Nano)
		}
		lines = append(lines, line)
	}
	return lines
}

// hiddenIn gives the paths of all hidden nodes.
func hiddenIn(s *keystest.Store) []string {
	var keys []string
	for _, n := range s.Dump() {
		if strings.Contains(n.Key, "/_") {
			keys = append(keys, n.Key)
		}
	}
	return keys
}

func wantSame(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("unexpected: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
}

func export(t *testing.T, kapi client.KeysAPI, opts dump.ExportOptions) ([]byte, dump.Summary) {
	t.Helper()
	var out bytes.Buffer
	sum, err := dump.Export(t.Context(), kapi, &out, opts)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), sum
}

func mustImport(t *testing.T, kapi client.KeysAPI, r io.Reader, opts dump.ImportOptions) dump.ImportSummary {
	t.Helper()
	sum, err := dump.Import(t.Context(), kapi, r, opts)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// differences collects what Diff gives.
func differences(t *testing.T, left, right dump.Source, opts dump.DiffOptions) []string {
	t.Helper()
	var found []string
	for d, err := range dump.Diff(t.Context(), left, right, opts) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, string(d.Kind)+" "+d.Key)
	}
	return found
}

func writes(s *keystest.Store) int { return s.Requests(keystest.OpSet) + s.Requests(keystest.OpDelete) }

// pipe is a reader that can't be read twice.
type pipe struct{ io.Reader }

// set sets keys to values; a value of "/" makes a directory.
func set(t *testing.T, s *keystest.Store, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		var opts client.SetOptions
		value := pairs[i+1]
		if opts.Dir = value == "/"; opts.Dir {
			value = ""
		}
		if _, err := s.Set(t.Context(), pairs[i], value, &opts); err != nil {
			t.Fatal(err)
		}
	}
}

// random tells a story in a bubble, with different seeds.
func random(t *testing.T, times int, tell func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	for range times {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tell(t, rand.New(rand.NewPCG(seed, 0)))
			})
		})
	}
}

func untilNow(at time.Time) time.Duration { return time.Until(at) }
