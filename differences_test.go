package client_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// The tests below show, one by one, the differences in docs/differences.md.

const (
	setReply     = `{"action":"set","node":{"key":"/a","value":"1","modifiedIndex":4,"createdIndex":4}}`
	compareReply = `{"errorCode":101,"message":"Compare failed","cause":"[1 != 2]","index":5}`
)

func TestDifferenceLostAnswerOfAConditionalWrite(t *testing.T) {
	// The first endpoint applies the write and breaks off; sent again, the
	// second would say "Compare failed" of a write that was carried out.
	f := script(t, fakeAnswer{err: io.ErrUnexpectedEOF})
	kapi := client.NewKeysAPI(newClient(t, f, "http://a", "http://b"))
	_, err := kapi.Set(t.Context(), "/a", "2", &client.SetOptions{PrevValue: "1"})
	if _, ok := bare[*client.ClusterError](err); !ok || !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("got %v, want a *ClusterError that is ErrOutcomeUnknown", err)
	}

	// CreateInOrder would be applied twice.
	f = script(t, fakeAnswer{status: http.StatusInternalServerError})
	kapi = client.NewKeysAPI(newClient(t, f, "http://a", "http://b"))
	if _, err = kapi.CreateInOrder(t.Context(), "/q", "x", nil); !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("got %v, want ErrOutcomeUnknown", err)
	}

	// What was never sent is sent to the next endpoint all the same.
	f = script(t, fakeAnswer{notSent: true}, fakeAnswer{body: setReply})
	kapi = client.NewKeysAPI(newClient(t, f, "http://a", "http://b"))
	if _, err = kapi.CreateInOrder(t.Context(), "/q", "x", nil); err != nil {
		t.Error(err)
	}
}

func TestDifferenceServerErrorsKeepTheirWords(t *testing.T) {
	failing := fakeAnswer{status: 500, body: `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}`}
	f := script(t, failing, failing, failing) // the only endpoint is tried again
	_, err := client.NewKeysAPI(newClient(t, f)).Get(t.Context(), "/a", nil)
	var e client.Error
	if !errors.As(err, &e) || e.Cause != "etcdserver: request timed out" || e.StatusCode != http.StatusInternalServerError || e.Endpoint != "http://etcd/base" {
		t.Errorf("got %+v of %v", e, err)
	}

	f = script(t, fakeAnswer{status: 413, body: "<html>too large</html>"})
	_, err = client.NewKeysAPI(newClient(t, f)).Set(t.Context(), "/a", "x", nil)
	var re *client.ReplyError
	if !errors.As(err, &re) || re.StatusCode != http.StatusRequestEntityTooLarge || re.Body != "<html>too large</html>" {
		t.Errorf("got %+v of %v", re, err)
	}
}

func TestDifferenceMembersAndAuthErrorsAreTyped(t *testing.T) {
	f := script(t, fakeAnswer{status: 404, body: `{"message":"No such member: 12"}`})
	err := client.NewMembersAPI(newClient(t, f)).Remove(t.Context(), "12")
	re, ok := bare[*client.ReplyError](err)
	if !ok || re.StatusCode != http.StatusNotFound || re.Message != "No such member: 12" || re.Endpoint != "http://etcd/base" {
		t.Errorf("got %#v", err)
	}
}

func TestDifferencePathsStayBelowTheirPrefix(t *testing.T) {
	f := script(t)
	c := newClient(t, f)
	_, err := client.NewKeysAPI(c).Delete(t.Context(), "../members/8e9e05c52164694d", nil)
	wantInvalidInput(t, err, "key")
	wantInvalidInput(t, client.NewMembersAPI(c).Remove(t.Context(), "../keys/a"), "member ID")
	_, err = client.NewAuthUserAPI(c).GetUser(t.Context(), "..")
	wantInvalidInput(t, err, "user")
}

func TestDifferenceTextThatWouldChangeIsRefused(t *testing.T) {
	kapi := client.NewKeysAPI(newClient(t, script(t)))
	_, err := kapi.Set(t.Context(), "/a", "\xff", nil)
	wantInvalidInput(t, err, "value")
	_, err = kapi.Set(t.Context(), "/a\x00", "x", nil)
	wantInvalidInput(t, err, "key")
	_, err = kapi.Set(t.Context(), "/a", "lost", &client.SetOptions{Dir: true})
	wantInvalidInput(t, err, "value")
}

func TestDifferenceTTLRoundsUp(t *testing.T) {
	// Cut off, half a second would be ttl=0: expire at once.
	f := script(t, fakeAnswer{body: setReply})
	if _, err := client.NewKeysAPI(newClient(t, f)).Set(t.Context(), "/a", "1", &client.SetOptions{TTL: 500 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if body := f.seen()[0].body; body != "ttl=1&value=1" {
		t.Errorf("sent %q", body)
	}
}

func TestDifferenceBadRefreshIsNotSent(t *testing.T) {
	kapi := client.NewKeysAPI(newClient(t, script(t)))
	_, err := kapi.Set(t.Context(), "/a", "x", &client.SetOptions{Refresh: true, TTL: time.Second})
	if e, ok := bare[client.Error](err); !ok || e.Code != client.ErrorCodeRefreshValue {
		t.Errorf("got %v", err)
	}
	_, err = kapi.Set(t.Context(), "/a", "", &client.SetOptions{Refresh: true})
	if e, ok := bare[client.Error](err); !ok || e.Code != client.ErrorCodeRefreshTTLRequired {
		t.Errorf("got %v", err)
	}
}

func TestDifferenceCredentialsDoNotFollowRedirects(t *testing.T) {
	f := script(t, fakeAnswer{status: 307, header: "Location: http://foreign/v2/keys/a"}, fakeAnswer{body: setReply})
	c := newClientOf(t, client.Config{Endpoints: []string{"http://etcd"}, Transport: f, Username: "root", Password: "secret"})
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
		t.Fatal(err)
	}
	seen := f.seen()
	if got := seen[0].header.Get("Authorization"); got != "Basic "+base64.StdEncoding.EncodeToString([]byte("root:secret")) {
		t.Errorf("the endpoint got %q", got)
	}
	if got := seen[1].header.Get("Authorization"); got != "" {
		t.Errorf("the foreign host got %q", got)
	}

	f = script(t, fakeAnswer{status: 307, header: "Location: http://foreign/v2/keys/a"})
	_, err := client.NewKeysAPI(newClient(t, f)).Set(t.Context(), "/a", "1", nil)
	if !errors.Is(err, client.ErrRedirectRefused) {
		t.Errorf("got %v, want ErrRedirectRefused", err)
	}
}

func TestDifferenceEndpointsAreChecked(t *testing.T) {
	for _, bad := range []string{"", "ftp://a", "http://", "http://a:0", "http://a:99999", "http://a?x=1"} {
		_, err := client.New(client.Config{Endpoints: []string{"http://good", bad}})
		wantInvalidInput(t, err, "endpoint")
	}
	c := newClient(t, script(t), "10.0.0.1:2379", "http://user:secret@b:2379")
	if got := c.Endpoints(); !slices.Equal(got, []string{"http://10.0.0.1:2379", "http://b:2379"}) {
		t.Errorf("Endpoints() = %q", got)
	}
}

func TestDifferenceAutoSyncGoesOnAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{notSent: true} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := newClient(t, f).AutoSync(ctx, 10*time.Second); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		// After 0, 1, 3, 7, 15 s, and every 10 s from there.
		if n := len(f.seen()); n != 9 {
			t.Errorf("%d attempts in a minute, want 9", n)
		}
	})
}

func TestDifferenceSyncKeepsTheConfiguredEndpoints(t *testing.T) {
	f := newFakeTransport(t, func(*http.Request) fakeAnswer {
		return fakeAnswer{body: `{"members":[{"id":"1","clientURLs":["http://10.0.0.9:2379","http://0.0.0.0:2379","http://elsewhere"]}]}`}
	})
	f.pulse = func(req *http.Request) fakeAnswer {
		return fakeAnswer{notSent: req.URL.Host == "elsewhere", body: healthy}
	}
	c := newClient(t, f, "http://balancer:2379")
	if err := c.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.Endpoints(); !slices.Equal(got, []string{"http://10.0.0.9:2379", "http://balancer:2379"}) {
		t.Errorf("Endpoints() = %q", got)
	}
}

func TestDifferenceStrangeRepliesAreErrors(t *testing.T) {
	for body, want := range map[string]error{"{}": client.ErrInvalidJSON, "null": client.ErrInvalidJSON, "": client.ErrEmptyBody} {
		f := script(t, fakeAnswer{body: body})
		resp, err := client.NewKeysAPI(newClient(t, f)).Get(t.Context(), "/a", nil)
		if resp != nil || !errors.Is(err, want) {
			t.Errorf("%q: got %v, %v, want %v", body, resp, err, want)
		}
	}
}

func TestDifferenceRepliesAreBounded(t *testing.T) {
	f := script(t, fakeAnswer{body: strings.Repeat(" ", 1000), endless: true})
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a", "http://b"}, Transport: f, MaxResponseBytes: 1 << 20})
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); !errors.Is(err, client.ErrResponseTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestDifferenceHeaderTimeoutIsNoContextError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := script(t, fakeAnswer{silent: true}, fakeAnswer{body: setReply})
		c := newClientOf(t, client.Config{Endpoints: []string{"http://a", "http://b"}, Transport: f, HeaderTimeoutPerRequest: time.Second})
		start := time.Now()
		if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil || time.Since(start) != time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}

		f = script(t, fakeAnswer{silent: true})
		c = newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: f, HeaderTimeoutPerRequest: time.Second})
		_, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil)
		if !errors.Is(err, client.ErrHeaderTimeout) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDifferenceWithoutALeaderAnyEndpointServes(t *testing.T) {
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if strings.HasSuffix(req.URL.Path, "/leader") {
			return fakeAnswer{status: 503, body: `{"message":"During election"}`}
		}
		return fakeAnswer{body: setReply}
	})
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: f, SelectionMode: client.EndpointSelectionPrioritizeLeader})
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
		t.Error(err)
	}
}

func TestDifferenceQuietPollsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{header: "X-Etcd-Index: 7"} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := client.NewKeysAPI(newClient(t, f)).Watcher("/a", nil).Next(ctx); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		lines := f.lines()
		if len(lines) > 30 {
			t.Errorf("%d polls in a minute", len(lines))
		}
		// What comes between two polls must not be missed.
		if !strings.HasSuffix(lines[1], "?wait=true&waitIndex=8") {
			t.Errorf("second poll was %q", lines[1])
		}
	})
}

func TestDifferenceErrorsSayMore(t *testing.T) {
	f := script(t, fakeAnswer{status: 412, body: compareReply})
	_, err := client.NewKeysAPI(newClient(t, f)).Set(t.Context(), "/a", "3", &client.SetOptions{PrevValue: "1"})
	want := client.Error{Code: 101, Message: "Compare failed", Cause: "[1 != 2]", Index: 5, StatusCode: 412, Endpoint: "http://etcd/base"}
	if !same(err, want) {
		t.Errorf("got %#v, want %#v", err, want)
	}
}

// TestDifferencesAreListed keeps the table in docs/differences.md and these tests
// together.
func TestDifferencesAreListed(t *testing.T) {
	page, err := os.ReadFile("docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	table := string(page)
	listed := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(table, -1)

	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for _, name := range listed {
		if !strings.Contains(source.String(), "func "+name[1]+"(") {
			t.Errorf("docs/differences.md names %s, and there is no such test", name[1])
		}
	}
	for _, name := range regexp.MustCompile(`func (TestDifference[A-Z]\w*)\(`).FindAllStringSubmatch(source.String(), -1) {
		if name[1] != "TestDifferencesAreListed" && !strings.Contains(table, "`"+name[1]+"`") {
			t.Errorf("docs/differences.md does not name %s", name[1])
		}
	}
}

func wantInvalidInput(t *testing.T, err error, field string) {
	t.Helper()
	if e, ok := bare[*client.InvalidInputError](err); !ok || e.Field != field {
		t.Errorf("got %v, want an *InvalidInputError about the %s", err, field)
	}
}

// bare asks as err.(T) does: programs do, so errors come unwrapped.
func bare[T error](err error) (T, bool) {
	e, ok := err.(T) //nolint:errorlint // that it is not wrapped is what is asked
	return e, ok
}

// same asks as err == target does: programs do, so errors come unwrapped.
func same(err, target error) bool {
	return err == target //nolint:errorlint // that it is not wrapped is what is asked
}
