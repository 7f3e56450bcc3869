package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// wordsForCurl runs a printed command in a shell and gives the arguments that
// curl gets.
func wordsForCurl(t *testing.T, command string) []string {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal("there is no shell to quote for")
	}
	dir := t.TempDir()
	const fakeCurl = "#!/bin/sh\nprintf '%s\\0' \"$@\"\n"
	if err = os.WriteFile(filepath.Join(dir, "curl"), []byte(fakeCurl), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), shell, "-c", command)
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, out, command)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func requestFor(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestCurlCommandSurvivesAShell(t *testing.T) {
	for _, body := range []string{
		"value=1", "it's", `''\'''`, "$(exit 1) `exit 1` $HOME \\ \" * ! ~ #", "two\nlines\n", "@/etc/passwd", "-x", "ключ\xff",
	} {
		req := requestFor(t, http.MethodPut, "http://etcd:2379/v2/keys/it's%20$HOME?a='b'&c=%27", body)
		req.Header.Set("Content-Type", "text/plain")
		req.Header.Add("X-Two", "a'b")
		req.Header.Add("X-Two", "c")
		want := []string{
			"-X", "PUT", req.URL.String(), "-H", "Content-Type: text/plain", "-H", "X-Two: a'b, c",
			"--data-raw", body, // --data-binary would read a file for @
		}
		if got := wordsForCurl(t, curlCommand(req)); !slices.Equal(got, want) {
			t.Errorf("curl gets %q, want %q", got, want)
		}
		if sent, err := io.ReadAll(req.Body); err != nil || string(sent) != body {
			t.Errorf("%q is left to send, %v, want %q", sent, err, body)
		}
	}
}

func TestCurlCommandHasNoBodyWhereThereIsNone(t *testing.T) {
	act := &action{spec: requestSpec{method: http.MethodDelete, path: "/v2/keys/a", query: "dir=true"}}
	req := act.HTTPRequest(endpointsOf(t, "http://etcd:2379/base")[0].base)
	if got, want := curlCommand(req), "curl -X DELETE 'http://etcd:2379/base/v2/keys/a?dir=true'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCurlCommandHasNoSecrets(t *testing.T) {
	req := requestFor(t, http.MethodPut, "http://root:secret@etcd:2379/base/v2/auth/users/joe", `{"user":"joe","password":"secret"}`)
	req.SetBasicAuth("root", "secret")
	req.Header.Set("Cookie", "session=secret")
	req.Header.Set("Proxy-Authorization", "Basic secret")
	req.Header.Set("X-Auth-Token", "secret")
	req.Header.Set("X-API-Key", "secret")
	got := curlCommand(req)
	for _, secret := range []string{"secret", "Authorization", "Basic", "cm9vd"} { // "root" in base64 begins so
		if strings.Contains(got, secret) {
			t.Errorf("%s has %q", got, secret)
		}
	}
	if !strings.Contains(got, "'http://etcd:2379/base/v2/auth/users/joe'") {
		t.Errorf("%s does not name the URL", got)
	}
}

// Actions of other packages may have credentials in places that this package uses for
// none.
func TestCurlCommand_secretsOfExternalActions(t *testing.T) {
	got := curlCommand(requestFor(t, http.MethodPost, "http://etcd/x?access_token=s3cr3t&recursive=true&%70assword=s3cr3t&%zz=s3cr3t&wait", "user=joe&password=s3cr3t"))
	if strings.Contains(got, "s3cr3t") || !strings.Contains(got, "recursive=true") || !strings.Contains(got, "&wait'") {
		t.Errorf("got %s", got)
	}
}

func TestCurlCommandOfABodyThatCannotBeHad(t *testing.T) {
	req := requestFor(t, http.MethodPut, "http://etcd/v2/keys/a", "value=1")
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("it is gone") }
	if got := curlCommand(req); !strings.HasSuffix(got, " '(it is gone)'") {
		t.Errorf("got %s", got)
	}
	req.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("val"), brokenReader{})), nil
	}
	if got := curlCommand(req); !strings.HasSuffix(got, " '(broken)'") {
		t.Errorf("got %s", got)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// stderrTo makes a file of os.Stderr for the test. Such tests must not run in
// parallel.
func stderrTo(t *testing.T) (printed func() string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "stderr")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = file
	t.Cleanup(func() {
		os.Stderr = before
		file.Close()
	})
	return func() string {
		text, readErr := os.ReadFile(name)
		if readErr != nil {
			t.Fatal(readErr)
		}
		return string(text)
	}
}

// transportFunc is an http.RoundTripper made of a function.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestCurlDebugPrintsEachRequestWhileItIsOn(t *testing.T) {
	printed := stderrTo(t)
	var bodies []string
	c, err := New(Config{
		Endpoints: []string{"http://root:secret@etcd:2379"},
		Transport: transportFunc(func(req *http.Request) (*http.Response, error) {
			body, readErr := io.ReadAll(req.Body)
			bodies = append(bodies, string(body))
			reply := `{"action":"set","node":{"key":"/a"}}`
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(reply)), Request: req}, readErr
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	set := func(value string) {
		if _, setErr := NewKeysAPI(c).Set(context.Background(), "/a", value, nil); setErr != nil {
			t.Error(setErr)
		}
	}
	t.Cleanup(DisablecURLDebug)
	set("before")
	EnablecURLDebug()
	set("it's on")
	DisablecURLDebug()
	set("after")

	want := "curl -X PUT 'http://etcd:2379/v2/keys/a' -H 'Content-Type: application/x-www-form-urlencoded' --data-raw 'value=it%27s+on'\n"
	if got := printed(); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if want := []string{"value=before", "value=it%27s+on", "value=after"}; !slices.Equal(bodies, want) {
		t.Errorf("sent %q, want %q", bodies, want)
	}
}

func TestCurlDebugIsSwitchedAtAnyTime(t *testing.T) {
	stderrTo(t)
	t.Cleanup(DisablecURLDebug)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 100 {
				switch i {
				case 0:
					EnablecURLDebug()
				case 1:
					DisablecURLDebug()
				default:
					printCurlCommand(requestFor(t, http.MethodPut, "http://etcd", "x"))
				}
			}
		})
	}
	wg.Wait()
}

// All that a client sends with a password, redirects included, while others switch
// the printing on and off.
func TestCurlDebugPrintsNoPassword(t *testing.T) {
	printed := stderrTo(t)
	t.Cleanup(DisablecURLDebug)
	EnablecURLDebug()
	c, err := New(Config{
		Endpoints: []string{"http://root:hunter2@a", "http://b"}, Username: "app", Password: "hunter2",
		Transport: transportFunc(func(req *http.Request) (*http.Response, error) {
			resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"user":"joe"}`)), Request: req}
			if !strings.HasPrefix(req.URL.Path, "/moved") {
				resp.StatusCode = http.StatusTemporaryRedirect
				resp.Header.Set("Location", "http://eve:hunter2@"+req.URL.Host+"/moved")
			}
			return resp, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	users := NewAuthUserAPI(c)
	const calls = 100
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range calls {
				if addErr := users.AddUser(t.Context(), "joe", "hunter2"); addErr != nil {
					t.Error(addErr)
				}
				if _, changeErr := users.ChangePassword(t.Context(), "joe", "hunter2"); changeErr != nil {
					t.Error(changeErr)
				}
			}
		})
	}
	wg.Go(func() {
		for range calls {
			DisablecURLDebug()
			EnablecURLDebug()
		}
	})
	wg.Wait()
	text := printed()
	for _, secret := range []string{"hunter2", "Authorization", "Basic"} {
		if strings.Contains(text, secret) {
			t.Errorf("printed %q", secret)
		}
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines {
		if !strings.HasPrefix(line, "curl -X PUT 'http://") || !strings.HasSuffix(line, " '"+hiddenBody+"'") {
			t.Fatalf("printed %s", line)
		}
	}
	if len(lines) < calls {
		t.Errorf("printed %d lines", len(lines))
	}
}

func TestPrintCurlCommand_requestWithoutURL(*testing.T) {
	EnablecURLDebug()
	defer DisablecURLDebug()
	printCurlCommand(&http.Request{Method: http.MethodGet})
}
