package integration

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

func TestFreshClientsWithOneOfTwoEndpointsDown(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		c.Member(0).Kill()
		setAt(t, c.Members()[1:], "/elected", "v") // If it was the leader, there is another now.
		two := func(cfg *client.Config) { cfg.Endpoints = c.Endpoints()[:2] }
		for range 50 {
			resp, err := freshKeys(t, c, two).Create(within(t, 5*time.Second), uniqueKey("fresh"), "v")
			mustResponse(t, resp, err)
		}
	})
}

func TestSyncWithAddressesThatAreOfNoUse(t *testing.T) {
	t.Parallel()
	// Who accepts connections and never answers, and who answers and is no etcd:
	// a web server, say, that has the address in this network.
	silent := must[net.Listener](t)((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = silent.Close() })
	stranger := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	noUse := []string{"http://0.0.0.0:2379", "http://127.0.0.1:1", "http://" + silent.Addr().String()}
	advertised := map[string][]string{
		"none of use": noUse,
		"one of use":  append(slices.Clone(noUse), ""),
		"a stranger":  {stranger.URL, ""},
	}
	for _, s := range harness.Servers(t) {
		for name, urls := range advertised {
			t.Run(s.String()+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := harness.Start(t, s, harness.Options{Advertise: urls})
				cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
				var err error
				wantUnder(t, "Sync", timed(func() { err = cl.Sync(ctx) }), 5*time.Second)
				if found := slices.Contains(urls, ""); found != (err == nil) {
					t.Errorf("Sync: %v", err)
				}
				if diff := cmp.Diff(c.Endpoints(), cl.Endpoints()); diff != "" {
					t.Errorf("endpoints (-want +got):\n%s", diff)
				}
				resp, err := client.NewKeysAPI(cl).Create(ctx, "/k", "v")
				mustResponse(t, resp, err)
			})
		}
	}
}

// A member advertises the address of another cluster, as etcd's default localhost may
// be: Sync leaves it out, and all calls stay with their cluster.
func TestSync_addressOfAnotherCluster(t *testing.T) {
	t.Parallel()
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			other := harness.Start(t, s, harness.Options{})
			c := harness.Start(t, s, harness.Options{Advertise: []string{other.Endpoints()[0], ""}})
			for _, mode := range []client.EndpointSelectionMode{client.EndpointSelectionRandom, client.EndpointSelectionPrioritizeLeader} {
				cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), SelectionMode: mode})
				if err := cl.Sync(ctx); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(c.Endpoints(), cl.Endpoints()); diff != "" {
					t.Errorf("endpoints (-want +got):\n%s", diff)
				}
				key := uniqueKey("mine")
				resp, err := client.NewKeysAPI(cl).Create(ctx, key, "v")
				mustResponse(t, resp, err)
				cl, ctx = newClient(t, client.Config{Endpoints: other.Endpoints()})
				if _, err := client.NewKeysAPI(cl).Get(ctx, key, nil); !client.IsKeyNotFound(err) {
					t.Errorf("the other cluster: %v", err)
				}
			}
		})
	}
}

// countingTransport counts connections, those that fail too.
func countingTransport(t *testing.T) (transport *http.Transport, dials *atomic.Int64) {
	t.Helper()
	dials = &atomic.Int64{}
	transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport, dials
}

// autoSync runs AutoSync until stop is called, which checks how it ended.
func autoSync(t *testing.T, cl client.Client, interval time.Duration) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- cl.AutoSync(ctx, interval) }()
	return func() {
		t.Helper()
		select {
		case err := <-ended:
			t.Errorf("AutoSync ended by itself: %v", err)
			cancel()
			return
		default:
		}
		cancel()
		if err := <-ended; !isBare(err, context.Canceled) {
			t.Errorf("AutoSync ended with %T (%v)", err, err)
		}
	}
}

func TestAutoSyncWithADeadCluster(t *testing.T) {
	const most = 15 // Connections in 5 s: three a second.
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		for _, m := range c.Members() {
			m.Kill()
		}
		transport, dials := countingTransport(t)
		cl, _ := newClient(t, client.Config{Endpoints: c.Endpoints()[:1], Transport: transport})
		end := autoSync(t, cl, 10*time.Second)
		pause(5 * time.Second)
		t.Logf("%d connections in 5 s", dials.Load())
		if n := dials.Load(); n == 0 || n > most {
			t.Errorf("%d connections in 5 s, want 1 to %d", n, most)
		}

		check(t, c.Restart(t.Context()))
		harness.WaitFor(t, callTimeout, func() error { return wantEndpoints(c.Endpoints(), cl) })
		resp, err := client.NewKeysAPI(cl).Set(within(t, 5*time.Second), "/k", "v", nil)
		mustResponse(t, resp, err)
		end()
	})
}

// An endpointsError says what is wrong with a client's endpoints.
type endpointsError string

func (e endpointsError) Error() string { return "endpoints: " + string(e) }

func wantEndpoints(want []string, cl client.Client) error {
	got := cl.Endpoints()
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), got); diff != "" {
		return endpointsError("-want +got:\n" + diff)
	}
	return nil
}

func TestAutoSyncFollowsAClusterWhoseMembersAreAllReplaced(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		cl := must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints()}))
		kapi, admin := client.NewKeysAPI(cl), client.NewMembersAPI(cl)
		resp, err := kapi.Set(within(t, callTimeout), "/kept", "v", nil)
		mustResponse(t, resp, err)
		end := autoSync(t, cl, time.Second)
		first := slices.Clone(c.Members())
		for _, old := range first {
			valueOf(t, kapi, "/kept") // No election is on its way.
			newcomer := must[*harness.Member](t)(c.NewMember(t.Context()))
			must[*client.Member](t)(admin.Add(within(t, callTimeout), newcomer.PeerURL()))
			check(t, newcomer.Join(t.Context()))
			harness.WaitFor(t, callTimeout, func() error {
				if !slices.Contains(cl.Endpoints(), newcomer.ClientURL()) {
					return endpointsError("without " + newcomer.ClientURL())
				}
				return nil
			})
			id := ""
			for _, m := range must[[]client.Member](t)(admin.List(within(t, callTimeout))) {
				if m.Name == old.Name() {
					id = m.ID
				}
			}
			eventually(t, func(ctx context.Context) error {
				err := admin.Remove(ctx, id)
				var reply *client.ReplyError
				if errors.As(err, &reply) && reply.StatusCode == http.StatusGone {
					return nil // The one before, of unknown outcome, was carried out.
				}
				return err
			})
			c.Forget(old)
		}
		want := slices.Concat(endpointsOf(c.Members()), endpointsOf(first)) // Those configured stay as fallbacks.
		harness.WaitFor(t, callTimeout, func() error { return wantEndpoints(want, cl) })
		if got := valueOf(t, kapi, "/kept"); got != "v" { // By when the election is over, if the last was the leader.
			t.Errorf("value %q", got)
		}
		p := harness.TakePulse(t.Context(), c.Members())
		var longest time.Duration
		for range 20 {
			longest = max(longest, timed(func() {
				resp, err := kapi.Get(within(t, 5*time.Second), "/kept", &client.GetOptions{Quorum: true})
				mustResponse(t, resp, err)
			}))
		}
		wantUnder(t, "the longest of 20 calls", longest, time.Second+p.Longest())
		end()
	})
}
