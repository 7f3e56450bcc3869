// Package bridge compares clientv3/keysapi with servers of the v2 API.
package bridge

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

var (
	seed   = flag.Uint64("bridge-seed", uint64(time.Now().UnixNano()), "of the scripts that a v2 server and the bridge get")
	rounds = flag.Int("bridge-rounds", 50, "of 100 calls and 2 watches each, on each server")
)

// storyTimeout bounds the calls of one test, so that a hang is a failure.
const storyTimeout = 4 * time.Minute

// sideBySide is how many stories run at a time, unless -parallel says.
const sideBySide = 4

func TestMain(m *testing.M) { harness.Main(m, sideBySide) }

// onEach tells a story with a v2 server and the bridge on each v3 server, side by side.
func onEach(t *testing.T, tell func(st *stage)) {
	t.Helper()
	t.Parallel()
	for i, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			t.Parallel()
			st := newStage(t, server)
			st.number = uint64(i)
			tell(st)
		})
	}
}

// newStage sets the bridge on a server beside the v2 API of the same server, which is a
// store of its own, or of etcd 3.5 if it has none.
func newStage(tb testing.TB, server harness.Server, opts ...keysapi.Option) *stage {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), storyTimeout)
	tb.Cleanup(cancel)
	cluster := start(tb, server)
	served := cluster
	if server.Minor() > "3.5" {
		etcd35, err := harness.BuildEtcd35(ctx)
		if err != nil {
			tb.Fatal(err)
		}
		served = start(tb, etcd35)
	}
	v2, err := client.New(client.Config{Endpoints: served.Endpoints()})
	if err != nil {
		tb.Fatal(err)
	}
	return &stage{
		TB: tb, ctx: ctx, v2: client.NewKeysAPI(v2), bridge: keysapi.New(newClient(tb, cluster), opts...), dirUpdates: server.Minor() == "3.4",
	}
}

func start(tb testing.TB, s harness.Server) *harness.Cluster {
	tb.Helper()
	return harness.Start(tb, s, harness.Options{})
}

func newClient(tb testing.TB, c *harness.Cluster) *clientv3.Client {
	tb.Helper()
	v3, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), DialTimeout: 20 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := v3.Close(); err != nil {
			tb.Error(err)
		}
	})
	return v3
}

func TestBridgeAnswersAsV2Does(t *testing.T) { onEach(t, playRounds) }

// A prefix is not to be seen in anything that the bridge says.
func TestBridgeBelowAPrefix(t *testing.T) {
	t.Parallel()
	servers := harness.ServersV3(t)
	playRounds(newStage(t, servers[len(servers)-1], keysapi.WithPrefix("/be/low")))
}

func playRounds(st *stage) {
	st.Helper()
	st.Logf("-bridge-seed=%d", *seed)
	w := writer{rand.New(rand.NewPCG(*seed, st.number))} //nolint:gosec // To be repeated.
	for range *rounds {
		st.mustAgree(w.script(100, 2))
	}
	st.Logf("%d calls and %d events are the same", st.calls, st.events)
}

// With keys only, etcd 3.7 tells no leases, so the TTL of the directory was missed.
func TestRemovalTellsTheTTLOfADirectory(t *testing.T) {
	playOnce(t, script{
		Steps: []step{
			{Op: "set", Key: "/r/a0/a", Set: client.SetOptions{PrevExist: "false", TTL: 2 * time.Hour, Dir: true}},
			{Op: "delete", Key: "/r/a0/a", Delete: client.DeleteOptions{Recursive: true}},
		},
	})
}

// playOnce plays one script on each server.
func playOnce(t *testing.T, s script) {
	t.Helper()
	onEach(t, func(st *stage) { st.mustAgree(s) })
}
