package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBinarySize: what the package adds to a stripped program that uses net/http and
// encoding/json anyway.
func TestBinarySize(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs")
	}
	const most = 3_500_000
	size := func(program string) int64 {
		t.Helper()
		out := filepath.Join(t.TempDir(), program)
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/size/"+program)
		if text, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		info, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	ours, plain := size("client"), size("nethttp")
	t.Logf("%.2f MB, with net/http and encoding/json alone %.2f MB: %.2f MB more", float64(ours)/1e6, float64(plain)/1e6, float64(ours-plain)/1e6)
	if ours-plain > most {
		t.Errorf("the package makes a program %d bytes larger, want at most %d", ours-plain, most)
	}
}
