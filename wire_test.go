package client_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
)

// wireBase has a path, so that a request that forgets it fails.
const wireBase = "http://etcd/base/path"

// wireExchange is one line of a recording.
type wireExchange struct {
	Name        string            `json:"name"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	RequestBody string            `json:"request_body"`
	Status      int               `json:"status"`
	Headers     map[string]string `json:"headers"`
	Body        string            `json:"body"`
}

// TestWire replays what real servers of each version said, and checks both
// directions: the request of each call, and what the call makes of the reply.
func TestWire(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "wire", "*.jsonl"))
	if err != nil || len(files) != 4 {
		t.Fatalf("recordings %v, error %v, want 4 files", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			replayed, refused, notMade, repliesOnly := 0, 0, 0, 0
			seen := map[string]bool{}
			for _, x := range readWire(t, file) {
				w, ok := wireCalls[x.Name]
				if !ok {
					t.Errorf("exchange %q has no entry in wireCalls", x.Name)
					continue
				}
				if seen[x.Name] {
					t.Errorf("exchange %q comes twice", x.Name)
				}
				seen[x.Name] = true
				switch {
				case w.notMade != "" && w.call != nil:
					repliesOnly++
				case w.notMade != "":
					notMade++
				case w.refused != "":
					refused++
				default:
					replayed++
				}
				if w.call != nil {
					t.Run(x.Name, func(t *testing.T) { replay(t, w, x) })
				}
			}
			for name := range wireCalls {
				if !seen[name] {
					t.Errorf("the entry %q of wireCalls has no exchange", name)
				}
			}
			t.Logf("%d exchanges: %d replayed, %d refused before sending, %d requests not made by any call, for %d of them the reply is replayed",
				len(seen), replayed, refused, notMade+repliesOnly, repliesOnly)
		})
	}
}

func readWire(t *testing.T, file string) []wireExchange {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var exchanges []wireExchange
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var x wireExchange
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		exchanges = append(exchanges, x)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return exchanges
}

// replay makes the call and answers it as the server did.
func replay(t *testing.T, w wireCall, x wireExchange) {
	t.Helper()
	var header strings.Builder
	for name, value := range x.Headers {
		header.WriteString(name + ": " + value + "\n")
	}
	transport := newFakeTransport(t, func(*http.Request) fakeAnswer {
		return fakeAnswer{status: x.Status, header: header.String(), body: x.Body}
	})
	got, err := w.call(t.Context(), newClient(t, transport, wireBase), x)

	requests := transport.seen()
	switch {
	case w.refused != "":
		checkWireRefusal(t, x, len(requests), err)
		return
	case client.IsEventIndexCleared(err) && len(requests) == 2:
		// The second asks whether anything was missed; its answer is no node.
		checkWireRequest(t, x, requests[0])
	case x.Status >= http.StatusInternalServerError && len(requests) == 3:
		// A call that may be repeated is tried again at the only endpoint.
		checkWireRequest(t, x, requests[2])
	case len(requests) != 1:
		t.Fatalf("%d requests: %q", len(requests), transport.lines())
	case w.notMade == "":
		checkWireRequest(t, x, requests[0])
	}
	checkWirePredicates(t, w.is, err)
	if x.Status >= http.StatusBadRequest {
		checkWireError(t, x, err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	gotText, wantText := indented(t, wireForm(t, got)), indented(t, wireWant(t, x, got))
	if gotText != wantText {
		t.Errorf("got\n%s\nwant\n%s", gotText, wantText)
	}
}

// checkWireRefusal checks that the client says what the server would have said.
func checkWireRefusal(t *testing.T, x wireExchange, requests int, err error) {
	t.Helper()
	var want client.Error
	if e := json.Unmarshal([]byte(x.Body), &want); e != nil {
		t.Fatal(e)
	}
	got, ok := err.(client.Error) //nolint:errorlint // the type itself is the contract
	if !ok || got.Code != want.Code || got.Message != want.Message || got.StatusCode != 0 || requests != 0 {
		t.Errorf("%d requests, error %#v, want none and code %d %q", requests, err, want.Code, want.Message)
	}
}

// checkWireRequest checks that the request is the recorded one. Parameters that
// are false, and null or empty fields of a document, mean the same as none.
func checkWireRequest(t *testing.T, x wireExchange, got fakeRequest) {
	t.Helper()
	u, err := url.Parse(got.url)
	if err != nil {
		t.Fatal(err)
	}
	wantPath, wantQuery, _ := strings.Cut(wireBase+x.Path, "?")
	gotPath := u.Scheme + "://" + u.Host + u.EscapedPath()
	if got.method != x.Method || gotPath != wantPath {
		t.Errorf("request %s %s, want %s %s", got.method, gotPath, x.Method, wantPath)
	}
	if have, want := withoutFalse(t, u.RawQuery), withoutFalse(t, wantQuery); have != want {
		t.Errorf("query %q, want %q", have, want)
	}
	var wantType string
	switch {
	case x.RequestBody == "":
		if got.body != "" {
			t.Errorf("body %q, want none", got.body)
		}
		return
	case strings.HasPrefix(x.Path, "/v2/keys"):
		wantType = "application/x-www-form-urlencoded"
		if have, want := withoutFalse(t, got.body), withoutFalse(t, x.RequestBody); have != want {
			t.Errorf("form %q, want %q", have, want)
		}
	default:
		wantType = "application/json"
		if have, want := withoutEmpty(t, got.body), withoutEmpty(t, x.RequestBody); have != want {
			t.Errorf("document\n%s\nwant\n%s", have, want)
		}
	}
	if have := got.header.Get("Content-Type"); have != wantType {
		t.Errorf("Content-Type %q, want %q", have, wantType)
	}
}

// withoutFalse returns an encoded form in one spelling, without what is false.
func withoutFalse(t *testing.T, encoded string) string {
	t.Helper()
	values, err := url.ParseQuery(encoded)
	if err != nil {
		t.Fatal(err)
	}
	for name := range values {
		if values.Get(name) == "false" && name != "prevExist" {
			values.Del(name)
		}
	}
	return values.Encode()
}

// withoutEmpty returns a JSON document in one spelling, without empty fields.
func withoutEmpty(t *testing.T, document string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(document), &value); err != nil {
		t.Fatalf("%q: %v", document, err)
	}
	return indented(t, pruned(value))
}

func pruned(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			if v[name] = pruned(field); v[name] == nil {
				delete(v, name)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	}
	return value
}

func indented(t *testing.T, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkWireError checks that err has all that the server said.
func checkWireError(t *testing.T, x wireExchange, err error) {
	t.Helper()
	var said struct {
		ErrorCode int    `json:"errorCode"`
		Message   string `json:"message"`
		Cause     string `json:"cause"`
		Index     uint64 `json:"index"`
	}
	if e := json.Unmarshal([]byte(x.Body), &said); e != nil {
		t.Fatal(e)
	}
	if x.Status >= http.StatusInternalServerError {
		// No answer but a failure of the endpoint, and there is no other.
		ce, ok := err.(*client.ClusterError) //nolint:errorlint // the type itself is the contract
		if !ok || len(ce.Attempts) != 1 && len(ce.Attempts) != 3 || ce.Attempts[0].StatusCode != x.Status || ce.Attempts[0].Endpoint != wireBase {
			t.Fatalf("error %#v, want a *ClusterError with attempts of status %d", err, x.Status)
		}
		var inner client.Error
		if !errors.As(err, &inner) {
			t.Fatalf("no client.Error in %v", err)
		}
		err = inner
	}
	if !strings.HasPrefix(x.Path, "/v2/keys") {
		re, ok := err.(*client.ReplyError) //nolint:errorlint // the type itself is the contract
		want := client.ReplyError{Endpoint: wireBase, StatusCode: x.Status, Message: said.Message}
		if !ok || *re != want {
			t.Errorf("error %#v, want %#v", err, want)
		}
		return
	}
	want := client.Error{
		Code: said.ErrorCode, Message: said.Message, Cause: said.Cause, Index: said.Index,
		StatusCode: x.Status, Endpoint: wireBase,
	}
	if got, ok := err.(client.Error); !ok || got != want { //nolint:errorlint // the type itself is the contract
		t.Errorf("error %#v, want %#v", err, want)
	}
}

// checkWirePredicates checks that of all predicates just the one holds.
func checkWirePredicates(t *testing.T, want string, err error) {
	t.Helper()
	for name, is := range map[string]func(error) bool{
		"IsKeyNotFound":       client.IsKeyNotFound,
		"IsNodeExist":         client.IsNodeExist,
		"IsTestFailed":        client.IsTestFailed,
		"IsEventIndexCleared": client.IsEventIndexCleared,
		"IsUnauthorized":      client.IsUnauthorized,
		"IsUserNotFound":      client.IsUserNotFound,
		"IsRoleNotFound":      client.IsRoleNotFound,
	} {
		if is(err) != (name == want) {
			t.Errorf("%s(%v) is %v", name, err, is(err))
		}
	}
}
