package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recordedReply is what a real server answered.
type recordedReply struct {
	Name, Server, Method, Path, Body string
	Status                           int
	Headers                          map[string]string
}

func (w *recordedReply) reply() *reply {
	r := &reply{endpoint: "http://etcd:2379", status: w.Status, body: []byte(w.Body), header: http.Header{}}
	for name, value := range w.Headers {
		r.header.Set(name, value)
	}
	return r
}

// recordedReplies returns the recordings of all four servers.
func recordedReplies(t *testing.T) []recordedReply {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "wire", "*.jsonl"))
	if err != nil || len(files) != 4 {
		t.Fatalf("recordings %v, error %v, want 4 files", files, err)
	}
	var replies []recordedReply
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(file))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var w recordedReply
			if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
				t.Fatal(err)
			}
			replies = append(replies, w)
		}
		if lines.Err() != nil {
			t.Fatal(lines.Err())
		}
	}
	return replies
}

// TestSpeaksEtcd_RecordedReplies: each refusal of etcd's own API is recognised, with
// etcd's header and, as proxies may drop that, by its words.
func TestSpeaksEtcd_RecordedReplies(t *testing.T) {
	refusals := 0
	for _, w := range recordedReplies(t) {
		r := w.reply()
		// Of etcd's own replies, only that of its multiplexer is no document.
		want := w.Status >= http.StatusBadRequest && strings.HasPrefix(w.Body, "{")
		if w.Status < http.StatusBadRequest {
			if isWrite := w.Method != http.MethodGet; isWrite && !saysApplied(r) {
				t.Errorf("%s: %s: a write with status %d does not count as applied", w.Server, w.Name, w.Status)
			}
			continue
		}
		if saysApplied(r) {
			t.Errorf("%s: %s: a refusal counts as applied", w.Server, w.Name)
		}
		if got := speaksEtcd(r); got != want {
			t.Errorf("%s: %s: %d %s: speaksEtcd is %t", w.Server, w.Name, w.Status, w.Body, got)
		}
		if !want {
			continue
		}
		refusals++
		r.header = http.Header{"Content-Type": r.header["Content-Type"]}
		isJSONError := strings.Contains(w.Body, "invalid character") // of encoding/json, which gateways have as well
		if got := speaksEtcd(r); got != !isJSONError {
			t.Errorf("%s: %s: %d %s: speaksEtcd is %t without etcd's header", w.Server, w.Name, w.Status, w.Body, got)
		}
	}
	if refusals < 150 {
		t.Errorf("only %d refusals are recorded", refusals)
	}
}

// TestSpeaksEtcd_OtherReplies: what stands before etcd is not taken for it.
func TestSpeaksEtcd_OtherReplies(t *testing.T) {
	tests := []struct {
		who    string
		status int
		body   string
	}{
		{"AWS API Gateway", 403, `{"message":"Forbidden"}`},
		{"AWS API Gateway, no such route", 403, `{"message":"Missing Authentication Token"}`},
		{"AWS API Gateway, too many", 429, `{"message":"Too Many Requests"}`},
		{"AWS API Gateway, internal", 500, `{"message": "Internal server error"}`},
		{"Kong, no route", 404, `{"message":"no Route matched with those values"}`},
		{"Kong, no key", 401, `{"message":"No API key found in request"}`},
		{"Kong, a limit", 429, `{"message":"API rate limit exceeded"}`},
		{"Kong, upstream", 503, `{"message":"failure to get a peer from the ring-balancer"}`},
		{"Envoy", 503, "no healthy upstream"},
		{"Envoy, JSON", 503, `{"code":503,"message":"no healthy upstream"}`},
		{"Apigee", 401, `{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"oauth.v2.InvalidApiKey"}}}`},
		{"a gateway that repeats the status", 401, `{"errorCode":401,"message":"Unauthorized"}`},
		{"a gateway with codes in text", 403, `{"errorCode":"FORBIDDEN","message":"Forbidden"}`},
		{"a code of zero", 400, `{"errorCode":0,"message":"Bad Request"}`},
		{"an array", 400, `[{"errorCode":100}]`},
		{"two documents", 404, `{"errorCode":100} {"errorCode":100}`},
		{"half a document", 404, `{"errorCode":100,"mess`},
		{"an error of grpc-gateway", 404, `{"error":"Not Found","message":"Not Found","code":5,"details":[]}`},
		{"etcd without the v2 API", 404, "404 page not found\n"},
		{"etcd's multiplexer", 405, "Method Not Allowed\n"},
		{"nginx", 404, "<html>\r\n<head><title>404 Not Found</title></head></html>"},
		{"nginx, bad gateway", 502, "<html>\r\n<head><title>502 Bad Gateway</title></head></html>"},
		{"a timeout", 408, "upstream timeout"},
		{"nothing", 403, ""},
		{"null", 403, "null"},
	}
	for _, tt := range tests {
		t.Run(tt.who, func(t *testing.T) {
			r := &reply{status: tt.status, body: []byte(tt.body), header: http.Header{"Content-Type": {"application/json"}}}
			if speaksEtcd(r) || saysApplied(r) {
				t.Error("it is taken for etcd's")
			}
			for _, err := range []error{keysError(r), v2Error(r), replyError(r)} {
				if isEtcdError(r, err) {
					t.Errorf("%v is taken for etcd's", err)
				}
			}
		})
	}
	for _, status := range []int{200, 201, 204} {
		r := &reply{status: status, header: http.Header{"Content-Type": {"application/json"}}}
		if saysApplied(r) {
			t.Errorf("%d without etcd's header counts as applied", status)
		}
	}
}

func TestDecodeRemoved(t *testing.T) {
	const missing, removed = `{"message":"No such member: 1234"}`, `{"message":"Member permanently removed: 1234"}`
	tests := []struct {
		why      string
		status   int
		body     string
		repeated bool
		is       string // ""; of the error
	}{
		{"a success", 204, "", false, ""},
		{"removed before", 410, removed, false, ""},
		{"removed by an earlier attempt", 410, removed, true, ""},
		{"forgotten after an earlier attempt", 404, missing, true, ""},
		{"no such member", 404, missing, false, "No such member"},
		{"a server without the v2 API", 404, "404 page not found", true, "--enable-v2"},
		{"a gateway's 404", 404, `{"message":"no Route matched"}`, true, "no Route"},
		{"a gateway's 410", 410, "gone", true, "410 Gone"},
		{"a failure", 500, `{"message":"Internal Server Error"}`, true, "has no leader"},
	}
	for _, tt := range tests {
		_, err := decodeRemoved(&reply{endpoint: "http://etcd", status: tt.status, body: []byte(tt.body), repeated: tt.repeated})
		if (err == nil) != (tt.is == "") || err != nil && !strings.Contains(err.Error(), tt.is) {
			t.Errorf("%s: got %v", tt.why, err)
		}
	}
}

func TestDecodeDisabled(t *testing.T) {
	off := &reply{endpoint: "http://etcd", status: 409, body: []byte(`{"message":"auth: already disabled"}`)}
	if _, err := decodeDisabled(off); err == nil {
		t.Error("off before the call: no error")
	}
	off.repeated = true
	if _, err := decodeDisabled(off); err != nil {
		t.Errorf("switched off by an earlier attempt: got %v", err)
	}
	off.body = []byte(`{"message":"auth: No root user available, please create one"}`)
	if _, err := decodeDisabled(off); err == nil {
		t.Error("another conflict passes for a success")
	}
}

// TestParseError_LikeEncodingJSON reads error documents as encoding/json does.
func TestParseError_LikeEncodingJSON(t *testing.T) {
	for _, body := range errorDocuments() {
		wantSameError(t, []byte(body))
	}
}

// FuzzParseError compares parseError with encoding/json. Bodies that name a field twice
// or in another case are left out: there the two differ.
func FuzzParseError(f *testing.F) {
	for _, body := range errorDocuments() {
		f.Add([]byte(body))
	}
	f.Fuzz(wantSameError)
}

func errorDocuments() []string {
	return []string{
		errorBody, `{}`, `{"message":"x"}`, `{"errorCode":null,"message":null,"cause":null,"index":null}`,
		`{"errorCode":100,"message":"\u00e9\ud83d\ude00\n","cause":"[zzz != 3]","index":18446744073709551615,"other":{"x":[1,{}]}}`,
		`{"errorCode":-1}`, `{"errorCode":2147483648}`, `{"errorCode":1e2}`, `{"errorCode":1.5}`, `{"errorCode":"100"}`, `{"errorCode":true}`,
		`{"index":-1}`, `{"index":18446744073709551616}`, `{"message":5}`, `{"message":["x"]}`, `{"cause":{}}`, `[]`, `null`, `"x"`, ``, ` `,
		`{"message":"x"}x`, `{"message":"x"} {}`, `{"message":"x",}`, `{,}`, `{"message" "x"}`, "{\"message\":\"a\nb\"}", `{"message":"\q"}`,
		"{\"message\":\"a\xffb\"}", `{"other":nul}`, " \t{ \"message\" : \"x\" } \r\n", `{"mess` + `\u0061ge":"x"}`,
	}
}

func wantSameError(t *testing.T, body []byte) {
	t.Helper()
	if hasTwistedNamesOf(body, "errorCode", "message", "cause", "index") {
		return
	}
	got, ok := parseError(body)
	var want Error
	isObject := bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
	wantOK := isObject && json.Unmarshal(body, &want) == nil && int(int32(want.Code)) == want.Code
	if !wantOK {
		want = Error{}
	}
	if ok != wantOK || got != want {
		t.Errorf("%q: got %+v, %t, encoding/json %+v, %t", body, got, ok, want, wantOK)
	}
}

// TestReplyError_NamesAMissingLeader: programs look for the words in replies of status
// 500 and 503 in which etcd does not name the reason.
func TestReplyError_NamesAMissingLeader(t *testing.T) {
	tests := []struct {
		status int
		body   string
		want   bool
	}{
		{500, `{"message":"Internal Server Error"}`, true}, // a member without a leader, members and auth APIs
		{500, "Internal Server Error\n", true},
		{503, "", true},
		{503, "<html>", true},
		{503, `{"message":"no healthy upstream"}`, true},
		{503, `{"message":"During election"}`, false},
		{500, `{"message":"etcdserver: request timed out"}`, false},
		{502, "<html>", false},
		{504, "", false},
		{404, `{"message":"No such member: 1"}`, false},
		{403, "<html>", false},
		{200, "<html>", false},
	}
	for _, tt := range tests {
		r := &reply{endpoint: "http://a:2379", status: tt.status, body: []byte(tt.body)}
		for _, err := range []error{keysError(r), v2Error(r), replyError(r)} {
			cluster := &ClusterError{}
			cluster.add(Attempt{Endpoint: r.endpoint, Sent: true, StatusCode: tt.status, Err: err})
			for _, text := range []string{err.Error(), cluster.Error(), cluster.Detail()} {
				if got := strings.Contains(text, "has no leader"); got != tt.want {
					t.Errorf("%d %q: %s", tt.status, tt.body, text)
				}
			}
		}
	}
	r := &reply{endpoint: "http://a:2379", status: 503}
	if got := replyError(r).Error(); got != "client: http://a:2379: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader)" {
		t.Errorf("got %s", got)
	}
	r = &reply{endpoint: "http://a:2379", status: 500, body: []byte(`{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out"}`)}
	if err := keysError(r); strings.Contains(err.Error(), "has no leader") {
		t.Errorf("etcd's own words: %v", err)
	}
}

func TestLogin_PrintsNothing(t *testing.T) {
	l := newLogin("root:s3cr3t", "pa55word")
	for _, v := range []any{l, *l, []*login{l}[0], []login{*l}, struct{ L login }{*l}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range []string{"s3cr3t", "pa55word", l.header, fmt.Sprintf("%x", "pa55word"), strings.TrimPrefix(l.header, "Basic ")} {
				if strings.Contains(text, secret) {
					t.Errorf("%s: %s", verb, text)
				}
			}
		}
	}
	if got := l.LogValue().String(); got != redacted {
		t.Errorf("slog: %s", got)
	}
}

func TestReadWithin(t *testing.T) {
	const limit = 8 << 20
	whole := strings.Repeat("x", limit)
	for how, r := range readers([]byte(whole[:100_000])) {
		if got, err := readWithin(r, -1, 100_000); err != nil || string(got) != whole[:100_000] {
			t.Errorf("%s: got %d bytes, error %v", how, len(got), err)
		}
	}
	if got, err := readWithin(strings.NewReader(""), -1, 0); err != nil || len(got) != 0 {
		t.Errorf("an empty body: got %q, %v", got, err)
	}
	var got []byte
	allocated, err := allocatedBy(func() (err error) {
		got, err = readWithin(repeat("x"), -1, limit)
		return err
	})
	if !isTooLarge(err) || string(got) != whole {
		t.Errorf("an endless body: got %d bytes, error %v", len(got), err)
	}
	if ratio := float64(allocated) / limit; ratio > 2.2 {
		t.Errorf("it costs %.2f times the limit, want at most 2.2", ratio)
	}
	for _, limit := range []int64{0, 1, 99_999} {
		if got, err := readWithin(strings.NewReader(whole[:100_000]), -1, limit); !isTooLarge(err) || int64(len(got)) != limit {
			t.Errorf("limit %d: got %d bytes, error %v", limit, len(got), err)
		}
	}
	errBroken := errors.New("broken")
	if got, err := readWithin(&breaking{"half", errBroken}, -1, limit); string(got) != "half" || !isReadError(err) || !errors.Is(err, errBroken) {
		t.Errorf("a body that breaks off: got %q, %v", got, err)
	}
	if _, err := readWithin(&breaking{"half", nil}, -1, limit); !isReadError(err) {
		t.Errorf("a reader without progress: got %v", err)
	}
}

// breaking is a body that ends with an error, along with its last bytes.
type breaking struct {
	body string
	err  error
}

func (b *breaking) Read(to []byte) (int, error) {
	n := copy(to, b.body)
	b.body = b.body[n:]
	return n, b.err
}
