package faults_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestSync_OtherCluster has a member that advertises localhost, where a member of
// another cluster listens: nothing may reach that one.
func TestSync_OtherCluster(t *testing.T) {
	for name, mode := range map[string]client.EndpointSelectionMode{
		"random": client.EndpointSelectionRandom, "leader": client.EndpointSelectionPrioritizeLeader,
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(o on) {
				t, s := o.t, o.server
				other := harness.Start(t, s, harness.Options{}).Member(0)
				local := strings.Replace(other.ClientURL(), "127.0.0.1", "localhost", 1)
				m := harness.Start(t, s, harness.Options{Proxied: true, Advertise: []string{local}}).Member(0)
				kapi, c := newKeys(t, client.Config{Endpoints: []string{m.ClientURL()}, SelectionMode: mode})
				t.Logf("Sync: %v", c.Sync(within(t, 10*time.Second)))
				write := func(times int) {
					for range times {
						if _, err := kapi.Set(within(t, 5*time.Second), "/k", "v", nil); err != nil {
							t.Logf("Set: %v", err)
						}
					}
				}
				write(5)
				m.Proxy().Inject(harness.Fault{Kind: harness.ResetBeforeHeaders, Match: keyPath(http.MethodPut, "/k"), Count: 1})
				write(10)
				theirs, _ := newKeys(t, client.Config{Endpoints: []string{other.ClientURL()}})
				if resp, err := theirs.Get(within(t, 5*time.Second), "/k", nil); !client.IsKeyNotFound(err) {
					t.Errorf("the other cluster has the key: %+v, %v; endpoints %v", resp, err, c.Endpoints())
				}
			})
		})
	}
}

// TestSync_CredentialsInURLs has credentials in the URL of an endpoint, which must
// go along with every call after Sync.
func TestSync_CredentialsInURLs(t *testing.T) {
	const password = "secret-of-root"
	for name, mode := range map[string]client.EndpointSelectionMode{
		"random": client.EndpointSelectionRandom, "leader": client.EndpointSelectionPrioritizeLeader,
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(o on) {
				t, s := o.t, o.server
				cluster := harness.Start(t, s, harness.Options{Members: 3, Proxied: true})
				enableAuth(t, cluster, password)
				// The leader's calls go to a member that was adopted, unless it is this one.
				for _, m := range cluster.Members() {
					u := must[*url.URL](t)(url.Parse(m.ClientURL()))
					u.User = url.UserPassword("root", password)
					kapi, c := newKeys(t, client.Config{Endpoints: []string{u.String()}, SelectionMode: mode})
					t.Logf("Sync: %v", c.Sync(within(t, 10*time.Second)))
					m.Proxy().Inject(harness.Fault{Kind: harness.ResetBeforeHeaders, Match: keyPath(http.MethodPut, "/k"), Count: 1})
					refused := 0
					var example error
					for range 10 {
						_, err := kapi.Set(within(t, 5*time.Second), "/k", "v", nil)
						var e client.Error
						if errors.As(err, &e) && e.Code == client.ErrorCodeUnauthorized {
							refused++
							example = err
						}
					}
					if refused > 0 {
						t.Errorf("%d of 10 calls went without credentials: %v; endpoints %v", refused, example, c.Endpoints())
					}
				}
			})
		})
	}
}

// enableAuth makes root the only user with rights.
func enableAuth(t *testing.T, c *harness.Cluster, password string) {
	t.Helper()
	_, anybody := newKeys(t, client.Config{Endpoints: c.Endpoints()})
	_, root := newKeys(t, client.Config{Endpoints: c.Endpoints(), Username: "root", Password: password})
	for _, do := range []func(context.Context) error{
		func(ctx context.Context) error { return client.NewAuthUserAPI(anybody).AddUser(ctx, "root", password) },
		client.NewAuthAPI(anybody).Enable,
		func(ctx context.Context) error { return client.NewAuthRoleAPI(root).RemoveRole(ctx, "guest") },
	} {
		harness.WaitFor(t, 20*time.Second, func() error { return do(within(t, 5*time.Second)) })
	}
	// Each member has heard of it.
	for _, m := range c.Members() {
		kapi, _ := newKeys(t, client.Config{Endpoints: []string{m.ClientURL()}})
		harness.WaitFor(t, 20*time.Second, func() error {
			_, err := kapi.Set(within(t, 5*time.Second), "/k", "v", nil)
			var e client.Error
			if errors.As(err, &e) && e.Code == client.ErrorCodeUnauthorized {
				return nil
			}
			return errors.Join(err, errors.New("a set without credentials is not refused"))
		})
	}
}
