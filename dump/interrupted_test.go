package dump_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

// smallDump is a random store and its dump.
func smallDump(t *testing.T, r *rand.Rand) (*keystest.Store, []byte) {
	t.Helper()
	from := keystest.New()
	grow(t, from, r, "/", 25)
	text, _ := export(t, from, dump.ExportOptions{})
	return from, text
}

// faultAt makes the n-th write of a store, beginning with 0, come to something.
func faultAt(s *keystest.Store, n int64, fault keystest.Fault, also func()) {
	var count atomic.Int64
	s.Fault = func(r keystest.Request) keystest.Fault {
		if r.Op != keystest.OpSet && r.Op != keystest.OpDelete || count.Add(1) != n+1 {
			return keystest.Fault{}
		}
		if also != nil {
			also()
		}
		return fault
	}
}

func TestImportInterruptedAtAnyWriteIsFinishedByASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, text := smallDump(t, rand.New(rand.NewPCG(1, 2)))
		for n := range int64(len(state(from))) {
			for _, kind := range []keystest.FaultKind{keystest.HangsUnsent, keystest.Hangs} {
				to := keystest.New()
				ctx, cancel := context.WithCancel(t.Context())
				faultAt(to, n, keystest.Fault{Kind: kind}, func() { time.AfterFunc(time.Second, cancel) })
				sum, err := dump.Import(ctx, to, bytes.NewReader(text), dump.ImportOptions{Parallel: 1 + int(n)%4})
				if err != context.Canceled { //nolint:errorlint // bare, as the KeysAPI's
					t.Fatalf("write %d: %+v, %v", n, sum, err)
				}
				done := len(state(to))
				to.Fault = nil
				sum = mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{})
				wantSame(t, state(to), state(from))
				if !sum.Verified || int(sum.Unchanged) != done {
					t.Errorf("write %d: %d nodes had been done: %+v", n, done, sum)
				}
			}
		}
	})
}

func TestImportGetsOverAnyLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, text := smallDump(t, rand.New(rand.NewPCG(3, 4)))
		for n := range int64(len(state(from))) {
			for _, kind := range []keystest.FaultKind{keystest.AnswerLost, keystest.NeverArrives, keystest.NotSent} {
				to := keystest.New()
				first := to.Index()
				faultAt(to, n, keystest.Fault{Kind: kind}, nil)
				sum := mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{})
				wantSameButMoments(t, to, from)
				if sum.Created != int64(len(state(from))) || sum.Unchanged != 0 || !sum.Verified {
					t.Errorf("write %d: %+v", n, sum)
				}
				if applied := to.Index() - first; applied > uint64(len(state(from))) {
					t.Errorf("write %d: %d writes were applied for %d nodes", n, applied, len(state(from)))
				}
			}
		}
	})
}

// wantSameButMoments is for writes that have waited: expirations are whole seconds
// from then.
func wantSameButMoments(t *testing.T, to, from *keystest.Store) {
	t.Helper()
	opts := dump.DiffOptions{TTL: true}
	for _, d := range differences(t, dump.Store(to, "/", hiddenIn(to)...), dump.Store(from, "/", hiddenIn(from)...), opts) {
		t.Errorf("difference: %s", d)
	}
}

func TestImportOfAnyPartIsFinishedByTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, text := smallDump(t, rand.New(rand.NewPCG(5, 6)))
		lines := bytes.SplitAfter(text, []byte("\n"))
		for n := range len(lines) - 1 {
			part := bytes.Join(lines[:n], nil)
			for _, cut := range [][]byte{part, append(bytes.Clone(part), lines[n][:len(lines[n])/2]...)} {
				to := keystest.New()
				_, err := dump.Import(t.Context(), to, bytes.NewReader(cut), dump.ImportOptions{})
				if !errors.Is(err, dump.ErrTruncated) || writes(to) > 0 {
					t.Fatalf("%d lines of a file: %v, %d writes", n, err, writes(to))
				}
				_, err = dump.Import(t.Context(), to, pipe{bytes.NewReader(cut)}, dump.ImportOptions{})
				if !errors.Is(err, dump.ErrTruncated) {
					t.Fatalf("%d lines of a pipe: %v", n, err)
				}
				if want := max(n-1, 0); len(state(to)) < want {
					t.Errorf("%d lines of a pipe made %d nodes", n, len(state(to)))
				}
				if n > 0 {
					sum := mustImport(t, to, bytes.NewReader(cut), dump.ImportOptions{Partial: true})
					if sum.Verified || sum.Keys+sum.Directories != int64(n-1) {
						t.Errorf("%d lines, taken as they are: %+v", n, sum)
					}
				}
				mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{})
				wantSame(t, state(to), state(from))
			}
		}
	})
}

func TestADamagedFileIsRefusedBeforeTheFirstWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, text := smallDump(t, rand.New(rand.NewPCG(7, 8)))
		damaged := bytes.Replace(text, []byte(`"sha256":"`), []byte(`"sha256":"0`), 1)
		to := keystest.New()
		_, err := dump.Import(t.Context(), to, bytes.NewReader(damaged), dump.ImportOptions{Partial: true})
		var wrong *dump.FormatError
		if !errors.As(err, &wrong) || int(wrong.Line) != bytes.Count(text, []byte("\n")) || writes(to) > 0 {
			t.Errorf("got %v, %d writes", err, writes(to))
		}
		_, err = dump.Import(t.Context(), to, pipe{bytes.NewReader(damaged)}, dump.ImportOptions{})
		if !errors.As(err, &wrong) {
			t.Errorf("got %v", err)
		}
	})
}

// brokenWriter breaks after a number of bytes.
type brokenWriter struct {
	out  bytes.Buffer
	room int
}

var errFull = errors.New("no space left")

func (w *brokenWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.room-w.out.Len())
	w.out.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestAnInterruptedExportIsToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, text := smallDump(t, rand.New(rand.NewPCG(9, 10)))
		for room := range len(text) - 2 {
			w := &brokenWriter{room: room}
			if _, err := dump.Export(t.Context(), from, w, dump.ExportOptions{}); !errors.Is(err, errFull) {
				t.Fatalf("room for %d bytes: %v", room, err)
			}
			lines := dump.NewReader(bytes.NewReader(w.out.Bytes()))
			var err error
			for err == nil {
				_, err = lines.Next()
			}
			if !errors.Is(err, dump.ErrTruncated) {
				t.Fatalf("%d bytes of a dump: %v", room, err)
			}
		}
	})
}

func TestACancelledContextEndsEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, text := smallDump(t, rand.New(rand.NewPCG(11, 12)))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range map[string]func() error{
			"export": func() error {
				_, err := dump.Export(ctx, from, io.Discard, dump.ExportOptions{})
				return err
			},
			"export without search": func() error {
				_, err := dump.Export(ctx, from, io.Discard, dump.ExportOptions{SkipHistory: true})
				return err
			},
			"import": func() error {
				_, err := dump.Import(ctx, from, bytes.NewReader(text), dump.ImportOptions{})
				return err
			},
			"import of a pipe": func() error {
				_, err := dump.Import(ctx, from, pipe{bytes.NewReader(text)}, dump.ImportOptions{})
				return err
			},
			"purge": func() error {
				_, err := dump.Purge(ctx, from, dump.PurgeOptions{})
				return err
			},
			"diff": func() error {
				for _, err := range dump.Diff(ctx, dump.File(bytes.NewReader(text)), dump.File(bytes.NewReader(text)), dump.DiffOptions{}) {
					return err
				}
				return nil
			},
		} {
			if err := call(); err != context.Canceled { //nolint:errorlint // bare, as the KeysAPI's
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, text := smallDump(t, rand.New(rand.NewPCG(13, 14)))
		to := keystest.New()
		to.Fault = func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpSet {
				return keystest.Fault{Kind: keystest.NotSent}
			}
			return keystest.Fault{}
		}
		began := time.Now()
		_, err := dump.Import(t.Context(), to, bytes.NewReader(text), dump.ImportOptions{Patience: 10 * time.Second})
		var failed *dump.StoreError
		if !errors.As(err, &failed) || failed.Op != "set" || failed.Key == "" || !errors.Is(err, client.ErrClusterUnavailable) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took < 8*time.Second || took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
