package client

import (
	"net/url"
	"slices"
	"sync"
	"testing"
)

func endpointsOf(t *testing.T, raws ...string) []*endpoint {
	t.Helper()
	endpoints, err := parseEndpoints(raws)
	if err != nil {
		t.Fatal(err)
	}
	return endpoints
}

// inOrder makes a list whose order is the one given.
func inOrder(t *testing.T, raws ...string) *endpointList {
	t.Helper()
	return newEndpointList(endpointsOf(t, raws...), 0)
}

// wantTurns checks the order in which a call would try the endpoints.
func wantTurns(t *testing.T, p *endpointPool, want ...string) {
	t.Helper()
	view := p.view()
	var got []string
	for i := range view.order {
		got = append(got, view.at(i).name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("a call would try %v, want %v", got, want)
	}
}

func TestPoolGoesRoundFromThePin(t *testing.T) {
	var p endpointPool
	p.replace(inOrder(t, "http://a", "http://b", "http://c"))
	wantTurns(t, &p, "http://a", "http://b", "http://c")

	p.pin(p.view(), 1)
	wantTurns(t, &p, "http://b", "http://c", "http://a")

	p.pin(p.view(), 0) // the pinned one answered: nothing to change
	wantTurns(t, &p, "http://b", "http://c", "http://a")

	p.pin(p.view(), 2)
	wantTurns(t, &p, "http://a", "http://b", "http://c")

	p.pin(p.view(), 3) // after the last comes the first
	wantTurns(t, &p, "http://a", "http://b", "http://c")
}

func TestPoolIgnoresAPinOnAnOldView(t *testing.T) {
	var p endpointPool
	p.replace(inOrder(t, "http://a", "http://b", "http://c"))
	slow := p.view()

	p.pin(p.view(), 1)
	p.pin(slow, 2) // it would undo what a later call found out
	wantTurns(t, &p, "http://b", "http://c", "http://a")

	slow = p.view()
	p.replace(inOrder(t, "http://x", "http://y"))
	p.pin(slow, 1) // it would pin an endpoint of a list that is gone
	wantTurns(t, &p, "http://x", "http://y")
}

func TestPoolKeepsThePinOnTheServer(t *testing.T) {
	var p endpointPool
	p.replace(inOrder(t, "http://a", "http://b:80"))
	p.pin(p.view(), 1)

	p.replace(inOrder(t, "http://x", "http://y", "http://B"))
	wantTurns(t, &p, "http://B", "http://x", "http://y")

	p.replace(inOrder(t, "http://x", "http://y"))
	wantTurns(t, &p, "http://x", "http://y")
}

func TestPoolFindsByOrigin(t *testing.T) {
	var p endpointPool
	p.replace(inOrder(t, "http://a", "https://b", "unix:///run/c"))
	view := p.view()
	if ep := view.lookup(&url.URL{Scheme: "https", Host: "b:443"}); ep == nil || ep.name != "https://b" {
		t.Errorf("got %v for b", ep)
	}
	if ep := view.lookup(&url.URL{Scheme: "http", Host: "B"}); ep != nil {
		t.Errorf("got %s for another scheme", ep.name)
	}
	if i := view.find(endpointsOf(t, "unix:///run/c")[0].origin()); i != 2 {
		t.Errorf("the socket is at %d", i)
	}
	if i := view.find(); i != -1 {
		t.Errorf("none of no origins is at %d", i)
	}
}

func TestEndpointOrderIsARandomPermutation(t *testing.T) {
	endpoints := endpointsOf(t, "http://a", "http://b", "http://c", "http://d", "http://e", "http://fallback")
	first := map[string]int{}
	for range 500 {
		list := newEndpointList(endpoints, 5)
		first[list.order[0].name]++
		if list.order[5] != endpoints[5] {
			t.Fatal("the fallback is not behind the others")
		}
		for _, ep := range endpoints {
			if !slices.Contains(list.order, ep) {
				t.Fatalf("%s is lost", ep.name)
			}
		}
		if !slices.Equal(list.given, endpoints) {
			t.Fatal("the order given is lost")
		}
	}
	if len(first) != 5 {
		t.Errorf("of 500 clients, so many begin with each: %v", first)
	}
}

func TestPoolIsForManyGoroutines(t *testing.T) {
	var p endpointPool
	lists := []*endpointList{inOrder(t, "http://a", "http://b", "http://c"), inOrder(t, "http://x", "http://a")}
	p.replace(lists[0])
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 500 {
				view := p.view()
				if i == 0 && j%50 == 0 {
					p.replace(lists[j/50%2])
				}
				if view.at(j) == nil {
					t.Error("there is no endpoint to try")
				}
				p.pin(view, j%len(view.order))
			}
		})
	}
	wg.Wait()
	if view := p.view(); view.pinned >= len(view.order) {
		t.Errorf("the pin is at %d of %d", view.pinned, len(view.order))
	}
}

// Within a rank calls go round from the pin; unhealthy ones come last, those of a lower
// rank first among themselves.
func TestRankedListsAreTriedByRank(t *testing.T) {
	var p endpointPool
	list := inOrder(t, "http://a", "http://b", "http://c", "http://d")
	for i, ep := range list.given {
		ep.rank = []int{1, 1, 2, unannounced}[i]
	}
	list.ranked = true
	p.replace(list)
	turns := func(unhealthy string) string {
		got, tried, view := "", make([]bool, len(list.order)), p.view()
		isSuspect := func(ep *endpoint) bool {
			for _, s := range unhealthy {
				if ep.base.Host == string(s) {
					return true
				}
			}
			return false
		}
		for i, ok := view.choose(tried, isSuspect); ok; i, ok = view.choose(tried, isSuspect) {
			tried[i] = true
			got += view.at(i).base.Host
		}
		return got
	}
	want := func(unhealthy, want string) {
		t.Helper()
		if got := turns(unhealthy); got != want {
			t.Errorf("pinned %s, unhealthy %q: tried %s, want %s", p.view().at(0).name, unhealthy, got, want)
		}
	}
	want("", "abcd")
	want("a", "bcda")
	want("dcba", "abcd")
	p.pin(p.view(), 1)
	want("", "bacd")
	want("ba", "cdba")
	p.pin(p.view(), 2) // d
	want("", "abcd")
	want("a", "bcda")
}
