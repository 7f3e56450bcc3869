package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/client/internal/keystest"
)

// dumpSize is how many files a dump of these tests has.
const dumpSize = 20_000

// newPatientKeys is newKeys for tests of many thousand calls, which take as long as
// the machine needs.
func newPatientKeys(t *testing.T, c *harness.Cluster) (client.KeysAPI, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*callTimeout)
	t.Cleanup(cancel)
	return client.NewKeysAPI(must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints()}))), ctx
}

// oddTexts are values, and parts of names, that are easily damaged on the way.
func oddTexts() []string {
	return []string{"plain", "two words", "é日本🎈", "\x01\x02\x1f\x7f", "\u2028\u2029", "\ufffd", `"\<>&'+%?#;`, "line\r\nbreak\t"}
}

// oddDump is a dump of a store that has all there can be: files in many
// directories, empty ones too, hidden ones, odd names and values, TTLs. It was made
// without the server under test.
func oddDump(t *testing.T, files int) (text []byte, hidden []string) {
	t.Helper()
	s := keystest.New()
	put := func(key, value string, opts client.SetOptions) {
		if _, err := s.Set(t.Context(), key, value, &opts); err != nil {
			t.Fatal(err)
		}
	}
	odd := oddTexts()
	for i := range files {
		text := odd[i%len(odd)]
		dir := fmt.Sprintf("/dir%d/%s", i%97, text)
		var opts client.SetOptions
		switch i % 50 {
		case 0:
			opts.TTL = time.Hour
		case 1:
			dir += fmt.Sprintf("/_hidden%d", i%3)
		}
		put(fmt.Sprintf("%s/%d", dir, i), fmt.Sprintf("%s %d", text, i), opts)
	}
	put("/empty", "", client.SetOptions{Dir: true})
	put("/leased", "", client.SetOptions{Dir: true, TTL: time.Hour})
	put("/leased/k", "", client.SetOptions{})
	put("/_top/_nested/k", "deep", client.SetOptions{})
	for _, n := range s.Dump() {
		if isHiddenName(n.Key) {
			hidden = append(hidden, n.Key)
		}
	}
	var out bytes.Buffer
	if _, err := dump.Export(t.Context(), s, &out, dump.ExportOptions{Hidden: hidden}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), hidden
}

func isHiddenName(key string) bool {
	i := len(key) - 1
	for key[i] != '/' {
		i--
	}
	return key[i+1] == '_'
}

// noDifference fails for each node in which the store is not as the dump says.
func noDifference(t *testing.T, ctx context.Context, kapi client.KeysAPI, text []byte) { //nolint:revive // t is first in this package
	t.Helper()
	for d, err := range dump.Diff(ctx, dump.Store(kapi, "/"), dump.File(bytes.NewReader(text)), dump.DiffOptions{TTL: true, TTLTolerance: 20 * time.Second}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s %q: %+v, %+v", d.Kind, d.Key, d.Left, d.Right)
	}
}

func TestDumpSurvivesAPurge(t *testing.T) {
	text, hidden := oddDump(t, dumpSize)
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			kapi, ctx := newPatientKeys(t, harness.Start(t, s, harness.Options{Members: 1}))
			ok := must[*client.Response](t)
			first, err := dump.Import(ctx, kapi, bytes.NewReader(text), dump.ImportOptions{})
			if err != nil || !first.Verified || first.Created != first.Keys+first.Directories {
				t.Fatalf("%+v, %v", first, err)
			}
			noDifference(t, ctx, kapi, text)

			var out bytes.Buffer
			exported, err := dump.Export(ctx, kapi, &out, dump.ExportOptions{Hidden: hidden})
			if err != nil || exported.Keys != first.Keys || exported.Directories != first.Directories {
				t.Fatalf("%+v, %v", exported, err)
			}
			for _, dry := range []bool{true, false} {
				var purged dump.Summary
				purged, err = dump.Purge(ctx, kapi, dump.PurgeOptions{Hidden: hidden, DryRun: dry})
				if err != nil || purged.Keys != exported.Keys || purged.Directories != exported.Directories {
					t.Fatalf("%+v, %v", purged, err)
				}
			}
			if r := ok(kapi.Get(ctx, "/", nil)); len(r.Node.Nodes) > 0 {
				t.Errorf("left: %v", r.Node.Nodes)
			}
			if _, err = kapi.Get(ctx, "/_top", nil); !client.IsKeyNotFound(err) {
				t.Errorf("left: /_top, %v", err)
			}

			second, err := dump.Import(ctx, kapi, bytes.NewReader(out.Bytes()), dump.ImportOptions{})
			if err != nil || !second.Verified || second.Created != first.Created {
				t.Fatalf("%+v, %v", second, err)
			}
			noDifference(t, ctx, kapi, text)
			noDifference(t, ctx, kapi, out.Bytes())
			index := ok(kapi.Get(ctx, "/empty", nil)).Index
			third, err := dump.Import(ctx, kapi, bytes.NewReader(out.Bytes()), dump.ImportOptions{})
			if err != nil || !third.Verified || third.Unchanged != second.Created {
				t.Fatalf("%+v, %v", third, err)
			}
			if now := ok(kapi.Get(ctx, "/empty", nil)).Index; now != index {
				t.Errorf("an import of what is there moved the index from %d to %d", index, now)
			}
		})
	}
}

func TestDumpFindsRecentHiddenNodesByItself(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			kapi, ctx := newPatientKeys(t, harness.Start(t, s, harness.Options{Members: 1}))
			ok := must[*client.Response](t)
			ok(kapi.Set(ctx, "/_old/k", "1", nil))
			for i := range 1100 {
				ok(kapi.Set(ctx, "/busy", fmt.Sprint(i), nil))
			}
			ok(kapi.Set(ctx, "/a/_new/_nested/k", "1", nil))
			ok(kapi.Set(ctx, "/_refreshed", "1", &client.SetOptions{TTL: time.Hour}))
			if _, err := client.Refresh(ctx, kapi, "/_refreshed", time.Hour); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			sum, err := dump.Export(ctx, kapi, &out, dump.ExportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(sum.HiddenFound); got != "[/_refreshed /a/_new /a/_new/_nested]" {
				t.Errorf("found %s", got)
			}
			if sum.HistoryTo-sum.HistoryFrom > 1000 || sum.HistoryTo != sum.Index {
				t.Errorf("searched from %d to %d of %d", sum.HistoryFrom, sum.HistoryTo, sum.Index)
			}
			if sum, err = dump.Export(ctx, kapi, &out, dump.ExportOptions{Hidden: []string{"/_old"}}); err != nil || len(sum.HiddenFound) != 4 {
				t.Errorf("%+v, %v", sum, err)
			}
		})
	}
}

// halfway is a dump that can be read once, and does something when it is read up
// to somewhere; what has been read before then has been, or is being, imported.
type halfway struct {
	text []byte
	read int
	at   int
	do   func()
}

func (h *halfway) Read(p []byte) (int, error) {
	if h.read == len(h.text) {
		return 0, io.EOF
	}
	if h.read < h.at && h.at < len(h.text) {
		p = p[:min(len(p), h.at-h.read)]
	}
	n := copy(p, h.text[h.read:])
	h.read += n
	if h.read == h.at && h.at < len(h.text) {
		h.do()
	}
	return n, nil
}

func TestImportGoesOnWhenAMemberIsKilled(t *testing.T) {
	text, _ := oddDump(t, dumpSize/4)
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := harness.Start(t, s, harness.Options{Members: 3})
			kapi, ctx := newPatientKeys(t, c)
			leader := must[*client.Member](t)(client.NewMembersAPI(must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints()}))).Leader(ctx))
			dead := c.MemberAt(leader.ClientURLs[0])
			in := &halfway{text: text, at: len(text) / 3, do: dead.Kill}
			sum, err := dump.Import(ctx, kapi, in, dump.ImportOptions{})
			if err != nil || !sum.Verified || sum.Created != sum.Keys+sum.Directories {
				t.Fatalf("%+v, %v", sum, err)
			}
			noDifference(t, ctx, kapi, text)
		})
	}
}

func TestInterruptedImportIsResumed(t *testing.T) {
	text, _ := oddDump(t, dumpSize/4)
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			kapi, ctx := newPatientKeys(t, harness.Start(t, s, harness.Options{Members: 1}))
			var done int64
			for runs := 1; ; runs++ {
				run, stop := context.WithCancel(ctx)
				in := &halfway{text: text, at: runs * len(text) / 4, do: stop}
				sum, err := dump.Import(run, kapi, in, dump.ImportOptions{})
				stop()
				if sum.Unchanged < done {
					t.Errorf("run %d found %d of %d nodes", runs, sum.Unchanged, done)
				}
				done = sum.Unchanged + sum.Created
				switch {
				case errors.Is(err, context.Canceled):
					continue
				case err != nil || !sum.Verified || done != sum.Keys+sum.Directories:
					t.Errorf("%+v, %v", sum, err)
				case runs != 4:
					t.Errorf("it was interrupted %d times", runs-1)
				}
				break
			}
			noDifference(t, ctx, kapi, text)
		})
	}
}

// following is an Export that follows, into memory.
type following struct {
	lines chan string
}

func (f *following) Write(p []byte) (int, error) {
	for _, line := range bytes.SplitAfter(p, []byte("\n")) {
		if len(line) > 0 {
			f.lines <- string(line)
		}
	}
	return len(p), nil
}

func TestFollowingTellsOfHiddenNodes(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			kapi, ctx := newPatientKeys(t, harness.Start(t, s, harness.Options{Members: 1}))
			ok := must[*client.Response](t)
			ok(kapi.Set(ctx, "/a/k", "1", nil))
			run, stop := context.WithCancel(ctx)
			out := &following{lines: make(chan string, 1000)}
			ended := make(chan error, 1)
			go func() {
				_, err := dump.Export(run, kapi, out, dump.ExportOptions{Root: "/a", Follow: true})
				ended <- err
			}()
			text := awaitLine(t, out, "trailer")
			ok(kapi.Set(ctx, "/a/_h/k", "1", nil))
			ok(kapi.Set(ctx, "/b", "1", nil))
			ok(kapi.Set(ctx, "/a/k", "2", nil))
			ok(kapi.Set(ctx, "/a/_h/k", "2", nil))
			text += awaitLine(t, out, `"/a/_h/k","value":"2"`)
			ok(kapi.Delete(ctx, "/a/_h", &client.DeleteOptions{Recursive: true}))
			text += awaitLine(t, out, "delete")
			stop()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			to := keystest.New()
			if sum, err := dump.Import(ctx, to, bytes.NewReader([]byte(text)), dump.ImportOptions{}); err != nil || sum.Changes != 4 {
				t.Errorf("%+v, %v", sum, err)
			}
			if nodes := to.Dump(); len(nodes) != 2 || nodes[1].Value != "2" {
				t.Errorf("got %v", nodes)
			}
		})
	}
}

// awaitLine gives the lines up to the one that has a text.
func awaitLine(t *testing.T, out *following, part string) string {
	t.Helper()
	patience := time.NewTimer(callTimeout)
	defer patience.Stop()
	text := ""
	for {
		select {
		case line := <-out.lines:
			text += line
			if bytes.Contains([]byte(line), []byte(part)) {
				return text
			}
		case <-patience.C:
			t.Fatalf("no line with %s in:\n%s", part, text)
		}
	}
}
