package client_test

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

type keysCall func(context.Context, client.KeysAPI) (*client.Response, error)

func get(key string, opts *client.GetOptions) keysCall {
	return func(ctx context.Context, k client.KeysAPI) (*client.Response, error) { return k.Get(ctx, key, opts) }
}

func set(key, value string, opts *client.SetOptions) keysCall {
	return func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
		return k.Set(ctx, key, value, opts)
	}
}

func remove(key string, opts *client.DeleteOptions) keysCall {
	return func(ctx context.Context, k client.KeysAPI) (*client.Response, error) { return k.Delete(ctx, key, opts) }
}

func createInOrder(dir, value string, opts *client.CreateInOrderOptions) keysCall {
	return func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
		return k.CreateInOrder(ctx, dir, value, opts)
	}
}

func TestKeysRequests(t *testing.T) {
	const u = "http://etcd/base/v2/keys"
	tests := []struct {
		why  string
		call keysCall
		want string // method, URL and form
	}{
		{"Get", get("/a", nil), "GET " + u + "/a"},
		{"Get of the root", get("", nil), "GET " + u + "/"},
		{"Get of zero options", get("/a", &client.GetOptions{}), "GET " + u + "/a"},
		{"Get of all options", get("/a b", &client.GetOptions{Recursive: true, Sort: true, Quorum: true}), "GET " + u + "/a%20b?quorum=true&recursive=true&sorted=true"},

		{"Set", set("/a", "1", nil), "PUT " + u + "/a value=1"},
		{"Set of nothing", set("/a", "", &client.SetOptions{}), "PUT " + u + "/a value="},
		{
			"Set with conditions", set("/a", "2", &client.SetOptions{PrevValue: "a&b=c", PrevIndex: math.MaxUint64, PrevExist: client.PrevExist}),
			"PUT " + u + "/a?prevExist=true&prevIndex=18446744073709551615&prevValue=a%26b%3Dc value=2",
		},
		{"Set of what must not be there", set("/a", "2", &client.SetOptions{PrevExist: client.PrevNoExist}), "PUT " + u + "/a?prevExist=false value=2"},
		{"Set of a directory", set("/d", "", &client.SetOptions{Dir: true}), "PUT " + u + "/d?dir=true"},
		{"Set of a directory that expires", set("/d", "", &client.SetOptions{Dir: true, TTL: time.Minute}), "PUT " + u + "/d?dir=true ttl=60"},
		{
			"Set that renews a directory", set("/d", "", &client.SetOptions{Dir: true, TTL: time.Minute, Refresh: true, PrevExist: client.PrevExist}),
			"PUT " + u + "/d?dir=true&prevExist=true refresh=true&ttl=60",
		},
		{"Set that renews", set("/a", "", &client.SetOptions{TTL: time.Minute, Refresh: true}), "PUT " + u + "/a refresh=true&ttl=60"},
		{"Set without an answer", set("/a", "1", &client.SetOptions{NoValueOnSuccess: true}), "PUT " + u + "/a?noValueOnSuccess=true value=1"},

		{"Create", func(ctx context.Context, k client.KeysAPI) (*client.Response, error) { return k.Create(ctx, "/a", "1") }, "PUT " + u + "/a?prevExist=false value=1"},
		{"Update", func(ctx context.Context, k client.KeysAPI) (*client.Response, error) { return k.Update(ctx, "/a", "1") }, "PUT " + u + "/a?prevExist=true value=1"},
		{"CreateInOrder", createInOrder("/q", "1", nil), "POST " + u + "/q value=1"},
		{"CreateInOrder that expires", createInOrder("/q/", "", &client.CreateInOrderOptions{TTL: 1500 * time.Millisecond}), "POST " + u + "/q ttl=2&value="},

		{"Delete", remove("/a", nil), "DELETE " + u + "/a"},
		{
			"Delete of all options", remove("/a", &client.DeleteOptions{PrevValue: "1 2", PrevIndex: 7, Recursive: true, Dir: true}),
			"DELETE " + u + "/a?dir=true&prevIndex=7&prevValue=1+2&recursive=true",
		},

		{"a TTL of a moment", set("/a", "1", &client.SetOptions{TTL: 1}), "PUT " + u + "/a ttl=1&value=1"},
		{"a TTL of a second", set("/a", "1", &client.SetOptions{TTL: time.Second}), "PUT " + u + "/a ttl=1&value=1"},
		{"a TTL of more than a second", set("/a", "1", &client.SetOptions{TTL: time.Second + 1}), "PUT " + u + "/a ttl=2&value=1"},
		{"the longest TTL", set("/a", "1", &client.SetOptions{TTL: math.MaxInt64}), "PUT " + u + "/a ttl=9223372037&value=1"},
		{"no TTL", set("/a", "1", &client.SetOptions{TTL: -time.Second}), "PUT " + u + "/a value=1"},
		{"no TTL in order", createInOrder("/q", "1", &client.CreateInOrderOptions{TTL: -1}), "POST " + u + "/q value=1"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			f := script(t, fakeAnswer{body: setReply})
			if resp, err := tt.call(t.Context(), client.NewKeysAPI(newClient(t, f))); err != nil || resp.Node.Key != "/a" {
				t.Fatalf("got %+v, %v", resp, err)
			}
			if got := f.lines()[0]; got != tt.want {
				t.Errorf("sent %s, want %s", got, tt.want)
			}
			wantType := ""
			if f.seen()[0].method == http.MethodPut || f.seen()[0].method == http.MethodPost {
				wantType = "application/x-www-form-urlencoded"
			}
			if got := f.seen()[0].header.Get("Content-Type"); got != wantType {
				t.Errorf("sent %q as %q", f.seen()[0].body, got)
			}
		})
	}
}

func TestValuesSurvive(t *testing.T) {
	for _, value := range []string{"a+b", "a&b=c", "a;b", "100%", "%41", "\x00", "line\r\nline", "ключ 🔑", `"'\`, " ", strings.Repeat("x", 1<<16)} {
		f := script(t, fakeAnswer{body: setReply}, fakeAnswer{body: setReply}, fakeAnswer{body: setReply})
		kapi := client.NewKeysAPI(newClient(t, f))
		_, setErr := kapi.Set(t.Context(), "/a", value, &client.SetOptions{PrevValue: value})
		_, createErr := kapi.CreateInOrder(t.Context(), "/a", value, nil)
		_, deleteErr := kapi.Delete(t.Context(), "/a", &client.DeleteOptions{PrevValue: value})
		if setErr != nil || createErr != nil || deleteErr != nil {
			t.Fatalf("%q: %v, %v, %v", value, setErr, createErr, deleteErr)
		}
		for i, r := range f.seen() {
			form, formErr := url.ParseQuery(r.body)
			u, urlErr := url.Parse(r.url)
			if formErr != nil || urlErr != nil {
				t.Fatal(formErr, urlErr)
			}
			if i < 2 && form.Get("value") != value || i != 1 && u.Query().Get("prevValue") != value {
				t.Errorf("%q went as %s %s", value, r.url, r.body)
			}
		}
	}
}

func TestKeysRefusals(t *testing.T) {
	tests := []struct {
		why, field string
		call       keysCall
	}{
		{"a directory has no value", "value", set("/d", "1", &client.SetOptions{Dir: true})},
		{"no such condition", "PrevExist", set("/a", "1", &client.SetOptions{PrevExist: "maybe"})},
		{"JSON can't carry it back", "value", set("/a", "\xff", nil)},
		{"JSON can't carry it there", "PrevValue", set("/a", "1", &client.SetOptions{PrevValue: "a\xc3"})},
		{"in order", "value", createInOrder("/q", "ok\xffnot", nil)},
		{"for a Delete", "PrevValue", remove("/a", &client.DeleteOptions{PrevValue: "\xed\xa0\x80"})},
		{"a key with a NUL", "key", get("/a\x00", nil)},
		{"a key that is not UTF-8", "key", set("/\xff", "1", nil)},
		{"a key that leads elsewhere", "key", remove("/a/../../members/1", nil)},
		{"a directory that leads elsewhere", "key", createInOrder("..", "1", nil)},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			resp, err := tt.call(t.Context(), client.NewKeysAPI(newClient(t, script(t))))
			wantInvalidInput(t, err, tt.field)
			if resp != nil {
				t.Errorf("got %+v with an error", resp)
			}
		})
	}
	_, err := client.NewKeysAPI(newClient(t, script(t))).Set(t.Context(), "/a", "é\xff", nil)
	if want := `client: invalid value: for key "/a" it is not valid UTF-8 at byte 2`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for code, opts := range map[int]client.SetOptions{
		client.ErrorCodeRefreshValue:       {Refresh: true, TTL: time.Second},
		client.ErrorCodeRefreshTTLRequired: {Refresh: true},
	} {
		value := ""
		if code == client.ErrorCodeRefreshValue {
			value = "1"
		}
		_, err = client.NewKeysAPI(newClient(t, script(t))).Set(t.Context(), "/a", value, &opts)
		if e, ok := bare[client.Error](err); !ok || e.Code != code || e.Cause != "/a" || e.StatusCode != 0 {
			t.Errorf("got %#v, want code %d", err, code)
		}
	}
}

func TestOptionsBelongToTheCaller(t *testing.T) {
	f := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{body: setReply} })
	kapi := client.NewKeysAPI(newClient(t, f))
	setOpts := client.SetOptions{PrevValue: "0", PrevIndex: 3, PrevExist: client.PrevExist, TTL: 1500 * time.Millisecond, NoValueOnSuccess: true}
	getOpts := client.GetOptions{Recursive: true}
	deleteOpts := client.DeleteOptions{PrevIndex: 3}
	orderOpts := client.CreateInOrderOptions{TTL: 1}
	watchOpts := client.WatcherOptions{AfterIndex: 3}
	setBefore, getBefore, deleteBefore, orderBefore, watchBefore := setOpts, getOpts, deleteOpts, orderOpts, watchOpts
	for _, call := range []keysCall{set("/a", "1", &setOpts), get("/a", &getOpts), remove("/a", &deleteOpts), createInOrder("/a", "1", &orderOpts)} {
		if _, err := call(t.Context(), kapi); err != nil {
			t.Error(err)
		}
	}
	if _, err := kapi.Watcher("/a", &watchOpts).Next(t.Context()); err != nil {
		t.Error(err)
	}
	if setOpts != setBefore || getOpts != getBefore || deleteOpts != deleteBefore || orderOpts != orderBefore || watchOpts != watchBefore {
		t.Error("options were changed")
	}
}

func TestNewKeysAPIWithPrefix(t *testing.T) {
	for prefix, want := range map[string]string{"/my keys/": "/base/my%20keys/a", "": "/base/a", "v2/keys": "/base/v2/keys/a", "/%2e%2e": "/base/%252e%252e/a"} {
		f := script(t, fakeAnswer{body: setReply})
		if _, err := client.NewKeysAPIWithPrefix(newClient(t, f), prefix).Get(t.Context(), "/a", nil); err != nil {
			t.Error(err)
		}
		if got := f.lines()[0]; got != "GET http://etcd"+want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
	kapi := client.NewKeysAPIWithPrefix(newClient(t, script(t)), "/v2/../admin")
	for _, call := range []keysCall{get("/a", nil), set("/a", "1", nil), remove("/a", nil), createInOrder("/a", "1", nil)} {
		_, err := call(t.Context(), kapi)
		wantInvalidInput(t, err, "prefix")
	}
	_, err := kapi.Watcher("/a", nil).Next(t.Context())
	wantInvalidInput(t, err, "prefix")
}

func TestNoValueOnSuccess(t *testing.T) {
	f := script(t, fakeAnswer{header: "X-Etcd-Index: 9", body: `{"action":"set"}`}, fakeAnswer{body: setReply}, fakeAnswer{body: `{"node":{"key":"/a"}}`})
	kapi := client.NewKeysAPI(newClient(t, f))
	opts := &client.SetOptions{NoValueOnSuccess: true}
	if resp, err := kapi.Set(t.Context(), "/a", "1", opts); err != nil || resp.Node != nil || resp.Index != 9 || resp.Action != "set" {
		t.Errorf("got %+v, %v", resp, err)
	}
	if resp, err := kapi.Set(t.Context(), "/a", "1", opts); err != nil || resp.Node == nil {
		t.Errorf("an old server: got %+v, %v", resp, err)
	}
	if resp, err := kapi.Set(t.Context(), "/a", "1", opts); err == nil {
		t.Errorf("no action: got %+v", resp)
	}
}

func TestNode(t *testing.T) {
	n := &client.Node{Key: "/a", Value: "secret", CreatedIndex: 3, ModifiedIndex: 4, TTL: 60}
	if got, want := n.String(), "{Key: /a, CreatedIndex: 3, ModifiedIndex: 4, TTL: 60}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := n.TTLDuration(); got != time.Minute {
		t.Errorf("got %v", got)
	}
	nodes := client.Nodes{{Key: "/b"}, {Key: "/a/x"}, {Key: "/B"}, {Key: "/a"}, {Key: "/"}}
	sort.Sort(nodes)
	var keys []string
	for _, node := range nodes {
		keys = append(keys, node.Key)
	}
	if got, want := strings.Join(keys, " "), "/ /B /a /a/x /b"; got != want {
		t.Errorf("sorted %s, want %s", got, want)
	}
}
