package client

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzErrorReply: whatever comes with whatever status, it becomes an error that
// says who said it and fits on a line of a log.
func FuzzErrorReply(f *testing.F) {
	for _, seed := range []struct {
		status int
		body   string
	}{
		{404, `{"errorCode":100,"message":"Key not found","cause":"/a","index":7}`},
		{500, `{"errorCode":300,"message":"Raft Internal Error","cause":"line one\nline two"}`},
		{400, `{"message":"bad\r\nthing"}`},
		{404, "404 page not found\n"},
		{404, "404 page not found"},
		{503, "<html>\n<body>Service Unavailable</body></html>"},
		{413, strings.Repeat("x", 2000)},
		{502, strings.Repeat("\xff", 600)},
		{401, `{"message":5}`},
		{0, ""},
		{999, "null"},
		{-1, "{}"},
		{400, `{"errorCode":1e9}`},
		{400, `{"errorCode":9999999999999999999}`},
	} {
		f.Add(seed.status, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := &reply{endpoint: "http://etcd:2379/base", status: status, body: body}
		for _, err := range []error{keysError(r), v2Error(r), replyError(r)} {
			var e Error
			var re *ReplyError
			switch {
			case errors.As(err, &e):
				if e.StatusCode != status || e.Endpoint != r.endpoint || e.Code == 0 {
					t.Errorf("got %#v", e)
				}
			case errors.As(err, &re):
				if re.StatusCode != status || re.Endpoint != r.endpoint || !strings.Contains(err.Error(), r.endpoint) {
					t.Errorf("got %#v, which says %q", re, err)
				}
				if len(re.Body) > 512 || !strings.Contains(string(body), re.Body) {
					t.Errorf("it quotes %d bytes: %q", len(re.Body), re.Body)
				}
			default:
				t.Fatalf("got %T %v", err, err)
			}
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("%q has more than one line", err)
			}
		}
	})
}

func okReply(body string) *reply {
	return &reply{endpoint: "http://etcd", status: http.StatusOK, body: []byte(body)}
}

// wantReplyError checks that err is a *ReplyError with status and endpoint, and
// with this Err.
func wantReplyError(t *testing.T, err, is error) {
	t.Helper()
	var re *ReplyError
	if !errors.As(err, &re) || !errors.Is(re.Err, is) || re.Endpoint == "" || re.StatusCode == 0 {
		t.Errorf("got %v, want a *ReplyError of %v", err, is)
	}
}

func TestDecodeNames(t *testing.T) {
	tests := []struct {
		server, body string
		want         []string
	}{
		{"2.1 names", `{"users":["alice","root"]}`, []string{"alice", "root"}},
		{"2.3 users", `{"users":[{"user":"alice","roles":[{"role":"guest","permissions":{"kv":{"read":["/*"],"write":null}}}]},{"user":"root","roles":null}]}`, []string{"alice", "root"}},
		{"2.3 roles", `{"users":[{"role":"guest","permissions":{"kv":{"read":[],"write":[]}}}]}`, []string{"guest"}},
		{"none", `{"users":[]}`, nil},
		{"null", `{"users":null}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.server, func(t *testing.T) {
			got, err := decodeNames("users")(okReply(tt.body))
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	for _, body := range []string{`{}`, `{"roles":[]}`, `{"users":"alice"}`, `{"users":[5]}`, `{"users":[null]}`, `{"users":[""]}`, `{"users":[{}]}`, `[]`, `null`, `"users"`, `{"users":[`} {
		_, err := decodeNames("users")(okReply(body))
		wantReplyError(t, err, ErrInvalidJSON)
	}
	_, err := decodeNames("users")(okReply(""))
	wantReplyError(t, err, ErrEmptyBody)
}

func TestDecodeUser(t *testing.T) {
	for body, want := range map[string][]string{
		`{"user":"joe","roles":["guest","root"]}`:                           {"guest", "root"},
		`{"user":"joe","roles":[{"role":"guest","permissions":{"kv":{}}}]}`: {"guest"},
		`{"user":"joe","roles":[]}`:                                         nil,
		`{"user":"joe","roles":null}`:                                       nil,
		`{"user":"joe"}`:                                                    nil,
		`{"user":"joe","password":"no server says it","roles":["root"]}`:    {"root"},
	} {
		user, err := decodeUser(okReply(body))
		if err != nil || user.User != "joe" || user.Password != "" || !slices.Equal(user.Roles, want) {
			t.Errorf("%s: got %+v, %v", body, user, err)
		}
	}
	for _, body := range []string{`{}`, `{"roles":[]}`, `{"user":"joe","roles":[{}]}`, `{"user":"joe","roles":"root"}`, `[]`, `null`, `x`} {
		_, err := decodeUser(okReply(body))
		wantReplyError(t, err, ErrInvalidJSON)
	}
}

func TestDecodeRole(t *testing.T) {
	role, err := decodeRole(okReply(`{"role":"guest","permissions":{"kv":{"read":["/a","/b*"],"write":null}}}`))
	if err != nil || role.Role != "guest" || !slices.Equal(role.Permissions.KV.Read, []string{"/a", "/b*"}) || len(role.Permissions.KV.Write) != 0 {
		t.Errorf("got %+v, %v", role, err)
	}
	for _, body := range []string{`{}`, `{"role":""}`, `{"role":["guest"]}`, `null`} {
		_, err = decodeRole(okReply(body))
		wantReplyError(t, err, ErrInvalidJSON)
	}
}

func TestDecodeVersions(t *testing.T) {
	for body, want := range map[string]Versions{
		"etcd 2.0.13":   {Server: "2.0.13"},
		"etcd 2.0.13\n": {Server: "2.0.13"},
		`{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}`:                   {Server: "3.4.23", Cluster: "3.4.0"},
		`{"etcdserver":"3.5.35","etcdcluster":"3.5.0","storage":"3.5.0"}`: {Server: "3.5.35", Cluster: "3.5.0"},
		`{"etcdserver":"2.3.8","etcdcluster":"not_decided"}`:              {Server: "2.3.8", Cluster: "not_decided"},
	} {
		v, err := decodeVersions(okReply(body))
		if err != nil || *v != want {
			t.Errorf("%s: got %+v, %v, want %+v", body, v, err, want)
		}
	}
	for body, is := range map[string]error{"": ErrEmptyBody, "{}": ErrInvalidJSON, "nginx": ErrInvalidJSON, `{"etcdcluster":"3.4.0"}`: ErrInvalidJSON} {
		_, err := decodeVersions(okReply(body))
		wantReplyError(t, err, is)
	}
	// /version is there without the v2 API too.
	_, err := decodeVersions(&reply{endpoint: "http://etcd", status: http.StatusNotFound, body: []byte("404 page not found\n")})
	wantReplyError(t, err, nil)
}

func TestDecodeMembers(t *testing.T) {
	members, err := decodeMembers(okReply(`{"members":[
		{"id":"8e9e","name":"a","peerURLs":["http://a:2380"],"clientURLs":["http://a:2379","http://a2:2379"]},
		{"id":"91bc","name":"","peerURLs":["http://b:2380"],"clientURLs":[]}]}`))
	if err != nil || len(members) != 2 || members[0].ID != "8e9e" || members[0].Name != "a" ||
		!slices.Equal(members[0].PeerURLs, []string{"http://a:2380"}) || !slices.Equal(members[0].ClientURLs, []string{"http://a:2379", "http://a2:2379"}) {
		t.Errorf("got %+v, %v", members, err)
	}
	if members, err = decodeMembers(okReply(`{"members":[]}`)); err != nil || len(members) != 0 {
		t.Errorf("no members: got %v, %v", members, err)
	}
	for _, body := range []string{`{}`, `{"members":null}`, `{"members":[{}]}`, `{"members":[null]}`, `{"members":{}}`, `[]`, `null`} {
		_, err = decodeMembers(okReply(body))
		wantReplyError(t, err, ErrInvalidJSON)
	}
	for _, body := range []string{`{}`, `{"name":"a"}`, `[]`, `null`} {
		_, err = decodeMember(okReply(body))
		wantReplyError(t, err, ErrInvalidJSON)
	}
}

func TestDecodeWithoutContent(t *testing.T) {
	for _, status := range []int{200, 201, 204} {
		if _, err := decodeNothing(&reply{status: status, body: []byte("anything")}); err != nil {
			t.Errorf("%d: got %v", status, err)
		}
	}
	gone := &reply{endpoint: "http://etcd", status: http.StatusGone, body: []byte(`{"message":"Member permanently removed: 8e9e"}`)}
	_, err := decodeNothing(gone)
	wantReplyError(t, err, nil)
	if _, err = decodeRemoved(gone); err != nil {
		t.Errorf("a member that was removed before: got %v", err)
	}
	_, err = decodeRemoved(&reply{endpoint: "http://etcd", status: http.StatusNotFound, body: []byte("404 page not found\n")})
	wantReplyError(t, err, ErrV2NotEnabled)
}

// What the codec of documents takes by itself, and a caller could be hurt by.
func TestDocumentsAreRead(t *testing.T) {
	for why, body := range map[string]string{
		"something behind the document":           `{"id":"8e9e","name":"m"} {"id":"91bc"}`,
		"an array for the object":                 `["8e9e","m"]`,
		"an array for an object inside":           `{"members":[["8e9e","m"]]}`,
		"an object for an array":                  `{"id":"8e9e","peerURLs":{"http://a:2380":"http://b:2380"}}`,
		"a number for text":                       `{"id":8,"name":"m"}`,
		"text for an array":                       `{"id":"8e9e","peerURLs":"http://a:2380"}`,
		"a control character in text":             "{\"id\":\"8e9e\",\"name\":\"a\nb\"}",
		"an unknown field that is not JSON":       `{"id":"8e9e","unknown":[1,}]}`,
		"an unknown field that is cut":            `{"id":"8e9e","unknown":"`,
		"a number out of the range of its field":  `{"errorCode":99999999999999999999}`,
		"a number with a fraction for an integer": `{"errorCode":1.5}`,
	} {
		if _, err := decodeMember(okReply(body)); err == nil {
			t.Errorf("%s: a member is read of %s", why, body)
		}
		if _, err := decodeMembers(okReply(body)); err == nil {
			t.Errorf("%s: members are read of %s", why, body)
		}
		if e, ok := parseError([]byte(body)); ok && e.Code != 0 {
			t.Errorf("%s: an error is read of %s", why, body)
		}
	}
	_, err := decodeRole(okReply(`{"role":"guest","permissions":[{"read":["/a"]}]}`))
	wantReplyError(t, err, ErrInvalidJSON)

	// An unpaired surrogate does not take with it what follows.
	m, err := decodeMember(okReply(`{"id":"8e9e","name":"\ud800\u0041","unknown":{"x":[1,{"y":null}]}}`))
	if err != nil || m.Name != "\ufffdA" {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err = decodeMember(okReply("{\"id\":\"8e9e\",\"name\":\"a\xff\"}")); err != nil || m.Name != "a\ufffd" {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestDocumentsHaveABoundedDepth(t *testing.T) {
	deep := `{"id":"8e9e","unknown":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`
	_, err := decodeMember(okReply(deep))
	wantReplyError(t, err, ErrInvalidJSON)
}
