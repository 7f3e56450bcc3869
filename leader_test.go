package client_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// leaderCluster answers for a cluster: the leader can change, and hosts can be
// down.
type leaderCluster struct {
	leader string // its client URL; empty: there is none
	down   string // the host that is
}

func (lc *leaderCluster) answer(req *http.Request) fakeAnswer {
	switch {
	case req.URL.Host == lc.down:
		return fakeAnswer{notSent: true}
	case !strings.HasSuffix(req.URL.Path, "/v2/members/leader"):
		return fakeAnswer{body: setReply}
	case lc.leader == "":
		return fakeAnswer{status: http.StatusServiceUnavailable, body: `{"message":"During election"}`}
	default:
		return fakeAnswer{body: fmt.Sprintf(`{"id":"1","name":"m","peerURLs":[],"clientURLs":["ftp://bad",%q]}`, lc.leader)}
	}
}

// leaderClient makes a client that prefers the leader, and a call that gives the
// requests it takes as "leader host" or "key host".
func leaderClient(t *testing.T, lc *leaderCluster, endpoints ...string) (client.Client, func() []string) {
	t.Helper()
	f := newFakeTransport(t, lc.answer)
	c := newClientOf(t, client.Config{Endpoints: endpoints, Transport: f, SelectionMode: client.EndpointSelectionPrioritizeLeader})
	kapi := client.NewKeysAPI(c)
	return c, func() []string {
		before := len(f.seen())
		if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
			t.Error(err)
		}
		var requests []string
		for i, r := range f.seen()[before:] {
			kind := "key "
			if strings.HasSuffix(r.url, "/v2/members/leader") {
				kind = "leader "
			}
			requests = append(requests, kind+hosts(f)[before+i])
		}
		return requests
	}
}

func wantRequests(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestLeaderIsFoundBeforeTheFirstRequest(t *testing.T) {
	// Whoever is asked first, by chance, the call goes to the leader.
	for range 20 {
		lc := &leaderCluster{leader: "http://B:80"}
		_, get := leaderClient(t, lc, "http://a", "http://b", "http://c")
		if first := get(); len(first) != 2 || !strings.HasPrefix(first[0], "leader ") || first[1] != "key b" {
			t.Fatalf("sent %q", first)
		}
		wantRequests(t, get(), "key b")
	}
}

func TestLeaderIsFoundAgainAfterItFailed(t *testing.T) {
	lc := &leaderCluster{leader: "http://a"}
	_, get := leaderClient(t, lc, "http://a", "http://b")
	if first := get(); first[len(first)-1] != "key a" {
		t.Fatalf("sent %q", first)
	}
	lc.leader, lc.down = "http://b", "a"
	wantRequests(t, get(), "key a", "key b")
	wantRequests(t, get(), "leader b", "key b")
	lc.leader, lc.down = "http://a", ""
	wantRequests(t, get(), "key b") // it still answers
}

func TestLeaderIsFoundAgainAfterTheEndpointsChange(t *testing.T) {
	lc := &leaderCluster{leader: "http://a"}
	c, get := leaderClient(t, lc, "http://a")
	get()
	lc.leader = "http://y"
	if err := c.SetEndpoints([]string{"http://x", "http://y", "http://z"}); err != nil {
		t.Fatal(err)
	}
	if requests := get(); len(requests) != 2 || requests[1] != "key y" {
		t.Errorf("sent %q", requests)
	}
}

// The answer of the old cluster says nothing of the new one's leader.
func TestLeaderOfAListThatIsGoneIsNotTheLeader(t *testing.T) {
	lc := &leaderCluster{leader: "http://a"}
	var c client.Client
	changed := false
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if !changed {
			changed = true
			if err := c.SetEndpoints([]string{"http://x", "http://y", "http://z"}); err != nil {
				t.Error(err)
			}
		}
		return lc.answer(req)
	})
	c = newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: f, SelectionMode: client.EndpointSelectionPrioritizeLeader})
	kapi := client.NewKeysAPI(c)
	for range 2 {
		if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
			t.Error(err)
		}
		lc.leader = "http://y"
	}
	if h := hosts(f); h[0] != "a" || h[len(h)-1] != "y" {
		t.Errorf("went to %v, which does not end at the leader", h)
	}
}

func TestLeaderThatIsNoEndpointChangesNothing(t *testing.T) {
	_, get := leaderClient(t, &leaderCluster{leader: "http://elsewhere"}, "http://a")
	wantRequests(t, get(), "leader a", "key a")
	wantRequests(t, get(), "key a")
}

func TestWithoutALeaderAnyEndpointWillDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := &leaderCluster{}
		_, get := leaderClient(t, lc, "http://a")
		wantRequests(t, get(), "leader a", "key a")
		for range 10 { // it is not asked for before each request
			wantRequests(t, get(), "key a")
		}
		<-time.After(time.Second - 1)
		wantRequests(t, get(), "key a")
		<-time.After(1)
		wantRequests(t, get(), "leader a", "key a")

		lc.leader = "http://a"
		<-time.After(time.Second)
		wantRequests(t, get(), "leader a", "key a")
		<-time.After(time.Hour)
		wantRequests(t, get(), "key a")
	})
}

// A leader that has failed is asked after the others for a while, and they say
// that it is the leader all the same. When it is back, calls go to it.
func TestLeaderIsPinnedWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := &leaderCluster{leader: "http://a", down: "a"}
		_, call := leaderClient(t, lc, "http://a", "http://b")
		if got := call(); !slices.Contains(got, "key b") {
			t.Errorf("while the leader is down: %q", got)
		}
		lc.down = ""
		for range 3 {
			<-time.After(2 * time.Second)
			call() // lets it be probed, and then asked for
			synctest.Wait()
		}
		wantRequests(t, call(), "key a")
	})
}
