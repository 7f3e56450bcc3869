package client_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	_ "golang.org/x/net/context" //nolint:staticcheck // the programs below need the module, which tidy does not see
)

// The programs of testdata/historic are those that the historic client's README
// shows, importing what they imported then: this package and the context of
// golang.org/x/net. TestHistoricProgramsBuild builds them as they stand, nothing
// replaced. To run one, historicProgram builds it with one thing replaced, in a
// copy that only the compiler sees: the address 127.0.0.1:2379, which a test
// does not own, becomes that of a server of the test.

const historicAddress = "127.0.0.1:2379"

func TestHistoricProgramsBuild(t *testing.T) {
	build(t, "-o", t.TempDir(), "./testdata/historic/...")
}

func TestHistoricQuickStart(t *testing.T) {
	server := newExampleServer()
	defer server.Close()

	output := run(t, exec.CommandContext(t.Context(), historicProgram(t, "quickstart", server.Listener.Addr().String())))
	for _, want := range []string{
		"Setting '/foo' key with 'bar' value\n",
		`Set is done. Metadata is &{"set" "{Key: /foo, CreatedIndex: `,
		"Getting '/foo' key value\n",
		`Get is done. Metadata is &{"get" "{Key: /foo, CreatedIndex: `,
		`"/foo" key has "bar" value` + "\n",
	} {
		before, after, found := strings.Cut(output, want)
		if !found {
			t.Fatalf("no %q in what is left of the output:\n%s", want, before)
		}
		output = after
	}
}

// TestHistoricErrorHandling takes each branch of the program in turn.
func TestHistoricErrorHandling(t *testing.T) {
	etcd := newExampleServer()
	defer etcd.Close()
	var silent atomic.Bool
	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !silent.Load() {
			etcd.Config.Handler.ServeHTTP(w, r)
			return
		}
		// The server sees the program hang up only once the body is read.
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	program := historicProgram(t, "errors", server.Listener.Addr().String())
	want := func(output, start string) {
		t.Helper()
		if !strings.HasPrefix(output, start) {
			t.Errorf("output %q, want it to begin with %q", output, start)
		}
	}

	want(run(t, exec.CommandContext(t.Context(), program)), "no error\n")

	silent.Store(true)
	cmd := exec.CommandContext(t.Context(), program, "cancel")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	hungUp := make(chan error, 1)
	go func() {
		<-asked
		hungUp <- stdin.Close()
	}()
	want(run(t, cmd), "canceled: ")
	if err = <-hungUp; err != nil {
		t.Error(err)
	}

	want(run(t, exec.CommandContext(t.Context(), program, "deadline")), "deadline: ")

	server.Close()
	want(run(t, exec.CommandContext(t.Context(), program)), "cluster error: ")
}

// historicProgram builds the program for a server at address.
func historicProgram(t *testing.T, name, address string) string {
	t.Helper()
	source, err := filepath.Abs(filepath.Join("testdata", "historic", name, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), historicAddress) != 1 {
		t.Fatalf("%s is to have %s once", source, historicAddress)
	}
	dir := t.TempDir()
	replaced := filepath.Join(dir, "main.go")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: replaced}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	for file, content := range map[string]string{
		replaced:    strings.ReplaceAll(string(text), historicAddress, address),
		overlayFile: string(overlay),
	} {
		if err = os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, name)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build(t, "-overlay", overlayFile, "-o", program, "./testdata/historic/"+name)
	return program
}

func build(t *testing.T, args ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds programs")
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build"}, args...)...)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
}

// run returns what the program prints, to standard output and standard error.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	// A proxy of the environment is not for a server of the test.
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1")
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return string(output)
}
