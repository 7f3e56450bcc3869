package client_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
)

// userOf returns "user:password" of a recorded request, or "" when it has none.
func userOf(t *testing.T, r fakeRequest) string {
	t.Helper()
	if r.header.Get("Authorization") == "" {
		return ""
	}
	user, password, ok := (&http.Request{Header: r.header}).BasicAuth()
	if !ok {
		t.Errorf("the authorization is %q", r.header.Get("Authorization"))
	}
	return user + ":" + password
}

// usersByHost returns for each request so far who it says it is of.
func usersByHost(t *testing.T, f *fakeTransport) []string {
	t.Helper()
	users := make([]string, len(f.seen()))
	hosts := hosts(f)
	for i, r := range f.seen() {
		users[i] = hosts[i] + " " + userOf(t, r)
	}
	slices.Sort(users)
	return users
}

func TestCredentialsGoToTheirEndpoint(t *testing.T) {
	f := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{notSent: true} })
	c := newClientOf(t, client.Config{
		Endpoints: []string{"http://a", "http://bob:b%40%3Ab@b/base", "http://carol@c", "http://@d"},
		Transport: f, Username: "alice", Password: "a:a",
	})
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err == nil {
		t.Fatal("it is down")
	}
	if got, want := usersByHost(t, f), []string{"a alice:a:a", "b bob:b@:b", "c carol:", "d "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := c.Endpoints(), []string{"http://a", "http://b/base", "http://c", "http://d"}; !slices.Equal(got, want) {
		t.Errorf("Endpoints gives %q, want %q", got, want)
	}
	for _, line := range f.lines() {
		if strings.Contains(line, "@") {
			t.Errorf("sent %s", line)
		}
	}
}

func TestEndpointsBelongToTheCaller(t *testing.T) {
	c := newClient(t, script(t), "http://a", "http://b")
	c.Endpoints()[0] = "http://evil"
	if got := c.Endpoints(); !slices.Equal(got, []string{"http://a", "http://b"}) {
		t.Errorf("got %q", got)
	}
}

func TestSetEndpointsKeepsCredentials(t *testing.T) {
	f := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{notSent: true} })
	c := newClient(t, f, "http://alice:a@a:80", "http://bob:b@b")
	if err := c.SetEndpoints([]string{"http://a", "http://ben:b@b", "http://c"}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err == nil {
		t.Fatal("it is down")
	}
	if got, want := usersByHost(t, f), []string{"a alice:a", "b ben:b", "c "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSetEndpointsRefusesABadListAsAWhole(t *testing.T) {
	f := script(t, fakeAnswer{body: setReply})
	c := newClient(t, f, "http://alice:a@a")
	wantInvalidInput(t, c.SetEndpoints([]string{"http://b", "http://c:0"}), "endpoint")
	if err := c.SetEndpoints(nil); !same(err, client.ErrNoEndpoints) {
		t.Errorf("an empty list: got %v", err)
	}
	if got := c.Endpoints(); !slices.Equal(got, []string{"http://a"}) {
		t.Errorf("got %q", got)
	}
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
		t.Error(err)
	}
	if got := usersByHost(t, f); !slices.Equal(got, []string{"a alice:a"}) {
		t.Errorf("got %q", got)
	}
}
