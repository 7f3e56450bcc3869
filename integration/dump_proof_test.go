package integration

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/integration/harness"
)

// dumpProof is how many keys the proof moves: the flag, or else DUMP_PROOF.
// A million is what the figures of the documentation are of.
var dumpProof = flag.Int("dump-proof", numberOf("DUMP_PROOF", 20_000), "how many keys to export, import and compare")

func numberOf(env string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(env)); err == nil {
		return n
	}
	return otherwise
}

// writeDump writes a dump of n files of 100 bytes, a hundred in a directory, as the
// documentation of package dump says, and not as the package does it.
func writeDump(w io.Writer, n int) error {
	out := bufio.NewWriter(w)
	sum := sha256.New()
	text := func(s string) {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		io.WriteString(sum, s)
	}
	lines := json.NewEncoder(out)
	type object map[string]any
	line := func(name string, of object) {
		lines.Encode(object{name: of})
	}
	line("header", object{"format": "etcd-v2-dump", "version": 1, "root": "/", "index": 1, "time": time.Now()})
	dirs := 0
	for i := range n {
		dir := fmt.Sprintf("/dir%06d", i/100)
		if i%100 == 0 {
			dirs++
			sum.Write([]byte("d"))
			text(dir)
			line("node", object{"key": dir, "dir": true})
		}
		key := fmt.Sprintf("%s/key%09d", dir, i)
		value := fmt.Sprintf("%-100d", i)
		sum.Write([]byte("f"))
		text(key)
		text(value)
		line("node", object{"key": key, "value": value})
	}
	line("trailer", object{"keys": n, "directories": dirs, "sha256": hex.EncodeToString(sum.Sum(nil))})
	return out.Flush()
}

// measured does something, and logs how long it took and how much memory the
// process had at most, and the heap before.
func measured(t *testing.T, what string, do func() error) {
	t.Helper()
	debug.FreeOSMemory()
	forgetPeak()
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	began := time.Now()
	if err := do(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	t.Logf("%-28s %8.2f s, peak memory of the process %s (heap before: %d MiB)",
		what, time.Since(began).Seconds(), peakMemory(t), heap[0].Value.Uint64()>>20)
}

// forgetPeak has the kernel begin anew with the peak of the process's memory.
func forgetPeak() {
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600) // if it fails, the peak is that since the start
}

func peakMemory(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown: " + err.Error() // no Linux
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	kib, err := strconv.Atoi(strings.Fields(line)[0])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d MiB", kib>>10)
}

// TestDumpInBoundedMemory must not run beside others, which would be measured too.
func TestDumpInBoundedMemory(t *testing.T) {
	t.Setenv("ETCD_UNSAFE_NO_FSYNC", "true") // what is measured is not the disk
	s := must[harness.Server](t)(harness.BuildEtcd35(t.Context()))
	c := harness.Start(t, s, harness.Options{})
	kapi := client.NewKeysAPI(must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints()})))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	n := *dumpProof
	file := filepath.Join(t.TempDir(), "dump")
	imported := func(r io.Reader, created int) func() error {
		return func() error {
			sum, err := dump.Import(ctx, kapi, r, dump.ImportOptions{})
			if err == nil && (!sum.Verified || sum.Keys != int64(n) || sum.Created != int64(created)) {
				t.Errorf("%+v", sum)
			}
			return err
		}
	}

	measured(t, "import from a pipe", func() error {
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeDump(w, n)) }()
		defer r.Close()
		return imported(r, n+(n+99)/100)()
	})
	measured(t, "export", func() error {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		sum, err := dump.Export(ctx, kapi, f, dump.ExportOptions{SkipHistory: true})
		if err == nil && sum.Keys != int64(n) {
			t.Errorf("%+v", sum)
		}
		return firstOf(err, f.Close())
	})
	withFile := func(do func(f *os.File) error) func() error {
		return func() error {
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			return do(f)
		}
	}
	measured(t, "import of what is there", withFile(func(f *os.File) error { return imported(f, 0)() }))
	measured(t, "diff", withFile(func(f *os.File) error {
		for d, err := range dump.Diff(ctx, dump.Store(kapi, "/"), dump.File(f), dump.DiffOptions{}) {
			if err != nil {
				return err
			}
			t.Errorf("%s %q", d.Kind, d.Key)
		}
		return nil
	}))
	measured(t, "diff of two files", withFile(func(f *os.File) error {
		return withFile(func(g *os.File) error {
			for d, err := range dump.Diff(ctx, dump.File(f), dump.File(g), dump.DiffOptions{}) {
				if err != nil {
					return err
				}
				t.Errorf("%s %q", d.Kind, d.Key)
			}
			return nil
		})()
	}))
	measured(t, "purge", func() error {
		sum, err := dump.Purge(ctx, kapi, dump.PurgeOptions{SkipHistory: true})
		if err == nil && sum.Keys != int64(n) {
			t.Errorf("%+v", sum)
		}
		return err
	})
	measured(t, "import of a file", withFile(func(f *os.File) error { return imported(f, n+(n+99)/100)() }))
	if info, err := os.Stat(file); err == nil {
		t.Logf("%d keys, a dump of %d MiB", n, info.Size()>>20)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
