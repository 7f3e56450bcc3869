package integration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// env is a test and its cluster.
type env struct {
	t *testing.T
	c *harness.Cluster
}

// onFaultyCluster runs a test on three members behind proxies, of each server. Such
// tests mostly wait, so they run side by side.
func onFaultyCluster(t *testing.T, run func(s env)) {
	t.Helper()
	t.Parallel()
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			run(env{t, harness.Start(t, s, harness.Options{Members: 3, Proxied: true})})
		})
	}
}

// within makes a context that ends after d, or with the test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// timed returns how long do took.
func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

// wantUnder checks a bound on time, and logs the time.
func wantUnder(t *testing.T, what string, took, bound time.Duration) {
	t.Helper()
	t.Logf("%s took %v", what, took.Round(time.Millisecond))
	if took >= bound {
		t.Errorf("%s took %v, want under %v", what, took, bound)
	}
}

// freshKeys returns the keys API of a new client that has all members as endpoints.
func freshKeys(t *testing.T, c *harness.Cluster, change ...func(*client.Config)) client.KeysAPI {
	t.Helper()
	cfg := client.Config{Endpoints: c.Endpoints()}
	for _, f := range change {
		f(&cfg)
	}
	return client.NewKeysAPI(must[client.Client](t)(client.New(cfg)))
}

var serial atomic.Int64

// uniqueKey returns a key that no other call returns.
func uniqueKey(name string) string { return fmt.Sprintf("/%s-%d", name, serial.Add(1)) }

// waitForKey waits until the member has the key.
func waitForKey(t *testing.T, m *harness.Member, key string) {
	t.Helper()
	kapi := keysOf(t, []*harness.Member{m})
	eventually(t, func(ctx context.Context) error {
		_, err := kapi.Get(ctx, key, nil)
		return err
	})
}

// keyPath is a match for requests with a key.
func keyPath(method, key string) harness.Match {
	return harness.Match{Method: method, Path: "/v2/keys" + key}
}

// askedFor returns the members that were sent requests with the key.
func askedFor(c *harness.Cluster, m harness.Match) (asked []*harness.Member, requests int) {
	for _, member := range c.Members() {
		if n := member.Proxy().Requests(m); n > 0 {
			asked = append(asked, member)
			requests += n
		}
	}
	return asked, requests
}

// pinnedMember finds out which member a client's calls begin with.
func pinnedMember(t *testing.T, c *harness.Cluster, kapi client.KeysAPI) *harness.Member {
	t.Helper()
	key := uniqueKey("who")
	if _, err := kapi.Get(within(t, callTimeout), key, nil); !client.IsKeyNotFound(err) {
		t.Fatalf("get of a key that is not there: %v", err)
	}
	asked, _ := askedFor(c, keyPath(http.MethodGet, key))
	if len(asked) == 0 {
		t.Fatal("no member was asked")
	}
	return asked[len(asked)-1]
}

// others returns the members but one.
func others(c *harness.Cluster, but *harness.Member) (rest []*harness.Member) {
	for _, m := range c.Members() {
		if m != but {
			rest = append(rest, m)
		}
	}
	return rest
}

// endpointsOf returns where the members serve clients.
func endpointsOf(members []*harness.Member) (urls []string) {
	for _, m := range members {
		urls = append(urls, m.ClientURL())
	}
	return urls
}

// keysOf returns the keys API of a client of these members.
func keysOf(t *testing.T, members []*harness.Member) client.KeysAPI {
	t.Helper()
	return client.NewKeysAPI(must[client.Client](t)(client.New(client.Config{Endpoints: endpointsOf(members)})))
}

// eventually makes a call until it succeeds; for what is not tested itself.
// What an election swallows is not waited for.
func eventually(t *testing.T, do func(ctx context.Context) error) {
	t.Helper()
	harness.WaitFor(t, callTimeout, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		return do(ctx)
	})
}

// valueOf reads what the cluster has agreed on; "" when there is no such key.
func valueOf(t *testing.T, kapi client.KeysAPI, key string) string {
	t.Helper()
	var value string
	eventually(t, func(ctx context.Context) error {
		resp, err := kapi.Get(ctx, key, &client.GetOptions{Quorum: true})
		switch {
		case client.IsKeyNotFound(err):
			return nil
		case err != nil:
			return err
		}
		value = resp.Node.Value
		return nil
	})
	return value
}

// childrenOf counts the nodes in a directory.
func childrenOf(t *testing.T, kapi client.KeysAPI, dir string) int {
	t.Helper()
	n := 0
	eventually(t, func(ctx context.Context) error {
		resp, err := kapi.Get(ctx, dir, &client.GetOptions{Quorum: true})
		switch {
		case client.IsKeyNotFound(err):
			return nil
		case err != nil:
			return err
		}
		n = len(resp.Node.Nodes)
		return nil
	})
	return n
}

// wantUnknown checks that err is a bare *ClusterError of a write that may have
// been applied, and no verdict of the server.
func wantUnknown(t *testing.T, what string, err error) {
	t.Helper()
	_, isCluster := err.(*client.ClusterError) //nolint:errorlint // The contract: returned bare.
	if !isCluster || !errors.Is(err, client.ErrOutcomeUnknown) || client.IsTestFailed(err) || client.IsNodeExist(err) || client.IsKeyNotFound(err) {
		t.Errorf("%s: got %T (%v), want a *client.ClusterError that is ErrOutcomeUnknown", what, err, err)
	}
}
