package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

func TestKilledMemberIsReplacedByTheNextCall(t *testing.T) {
	calls := map[string]func(context.Context, client.KeysAPI) (*client.Response, error){
		"read": func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
			return kapi.Get(ctx, "/k", nil)
		},
		"unconditional set": func(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
			return kapi.Set(ctx, "/k", "v", nil)
		},
	}
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			for name, call := range calls {
				t.Run(name, func(t *testing.T) {
					seen := newRecorder(t)
					cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: seen})
					kapi := client.NewKeysAPI(cl)
					resp, err := kapi.Set(ctx, "/k", "v", nil)
					mustResponse(t, resp, err)

					pinned := c.MemberAt(seen.pinned(t))
					for _, m := range c.Members() { // a member that is behind may answer the next read
						waitForKey(t, m, "/k")
					}
					pinned.Kill()
					resp, err = call(ctx, kapi)
					if got := mustResponse(t, resp, err).Node.Value; got != "v" {
						t.Errorf("value %q", got)
					}
					if now := seen.pinned(t); now == pinned.ClientURL() {
						t.Errorf("the killed member %s answered", now)
					}
					if err := pinned.Restart(ctx); err != nil {
						t.Fatal(err)
					}
				})
			}
		})
	}
}

func TestAllMembersDeadIsAClusterErrorThatNamesThem(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			kapi, ctx := newKeys(t, c)
			for _, m := range c.Members() {
				m.Kill()
			}
			_, err := kapi.CreateInOrder(ctx, "/queue", "v", nil)
			ce, ok := err.(*client.ClusterError) //nolint:errorlint // The contract: returned bare.
			if !ok {
				t.Fatalf("got %T (%v), want a *client.ClusterError", err, err)
			}
			if len(ce.Errors) != 3 || !errors.Is(err, client.ErrClusterUnavailable) || errors.Is(err, client.ErrOutcomeUnknown) {
				t.Errorf("%d attempts: %v", len(ce.Errors), err)
			}
			if text := err.Error(); !strings.HasPrefix(text, "client: etcd cluster is unavailable or misconfigured; error #0: ") {
				t.Errorf("text: %s", text)
			}
			for _, endpoint := range c.Endpoints() {
				if host := strings.TrimPrefix(endpoint, "http://"); !strings.Contains(err.Error(), host) {
					t.Errorf("%s is not named: %v", host, err)
				}
			}
		})
	}
}

func TestSyncFindsAllMembers(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()[1:2]})
			check(t, cl.Sync(ctx))
			got, want := cl.Endpoints(), c.Endpoints()
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("endpoints (-want +got):\n%s", diff)
			}

			c.Member(1).Kill()
			resp, err := client.NewKeysAPI(cl).Set(ctx, "/k", "v", nil)
			mustResponse(t, resp, err)
		})
	}
}

func TestPrioritizeLeaderPinsTheLeader(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			seen := newRecorder(t)
			cl, ctx := newClient(t, client.Config{
				Endpoints: c.Endpoints(), Transport: seen, SelectionMode: client.EndpointSelectionPrioritizeLeader,
			})
			kapi, mapi := client.NewKeysAPI(cl), client.NewMembersAPI(cl)
			leader := func() string {
				m := must[*client.Member](t)(mapi.Leader(ctx))
				return m.ClientURLs[0]
			}
			first := leader()
			for _, call := range []string{"first", "second"} {
				resp, err := kapi.Set(ctx, "/k", call, nil)
				mustResponse(t, resp, err)
				if got := seen.pinned(t); got != first {
					t.Errorf("%s call went to %s; the leader is %s", call, got, first)
				}
			}
			check(t, cl.Sync(ctx))
			resp, err := kapi.Get(ctx, "/k", nil)
			mustResponse(t, resp, err)
			if got := seen.pinned(t); got != first {
				t.Errorf("after Sync the call went to %s; the leader is %s", got, first)
			}

			c.MemberAt(first).Kill()
			harness.WaitFor(t, callTimeout, func() error {
				ctx := within(t, callTimeout/3)
				if _, err := kapi.Get(ctx, "/k", nil); err != nil {
					return fmt.Errorf("get: %w", err)
				}
				m, err := mapi.Leader(ctx)
				if err != nil {
					return fmt.Errorf("leader: %w", err)
				}
				if got := seen.pinned(t); got == first || got != m.ClientURLs[0] {
					return fmt.Errorf("the call went to %s; the leader is %s", got, m.ClientURLs[0])
				}
				return nil
			})
		})
	}
}

func TestSetEndpoints(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			seen := newRecorder(t)
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()[:1], Transport: seen})
			kapi := client.NewKeysAPI(cl)
			for _, endpoint := range c.Endpoints() {
				check(t, cl.SetEndpoints([]string{endpoint}))
				if diff := cmp.Diff([]string{endpoint}, cl.Endpoints()); diff != "" {
					t.Errorf("endpoints (-want +got):\n%s", diff)
				}
				resp, err := kapi.Set(ctx, "/k", "v", nil)
				mustResponse(t, resp, err)
				if got := seen.pinned(t); got != endpoint {
					t.Errorf("the call went to %s instead of %s", got, endpoint)
				}
			}
			if err := cl.SetEndpoints(nil); !errors.Is(err, client.ErrNoEndpoints) {
				t.Errorf("no endpoints: %v", err)
			}
		})
	}
}

func TestGetVersion(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
			got := must[*client.Versions](t)(cl.GetVersion(ctx))
			minor := s.Version[:strings.LastIndex(s.Version, ".")]
			if diff := cmp.Diff(&client.Versions{Server: s.Version, Cluster: minor + ".0"}, got); diff != "" {
				t.Errorf("version (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServerWithoutV2SaysSo(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{DisableV2: true})
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
			kapi := client.NewKeysAPI(cl)
			_, getErr := kapi.Get(ctx, "/k", nil)
			_, setErr := kapi.Set(ctx, "/k", "v", nil)
			_, createErr := kapi.CreateInOrder(ctx, "/k", "v", nil)
			_, watchErr := kapi.Watcher("/k", nil).Next(ctx)
			_, membersErr := client.NewMembersAPI(cl).List(ctx)
			for call, err := range map[string]error{
				"Get": getErr, "Set": setErr, "CreateInOrder": createErr, "Next": watchErr, "List": membersErr, "Sync": cl.Sync(ctx),
			} {
				if !errors.Is(err, client.ErrV2NotEnabled) || client.IsKeyNotFound(err) {
					t.Errorf("%s: got %v, want ErrV2NotEnabled", call, err)
				}
			}
		})
	}
}
