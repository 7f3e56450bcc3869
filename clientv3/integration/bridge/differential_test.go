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
	rounds = flag.Int("bridge-rounds", 15, "of 100 calls and 2 watches each, on each server")
)

// storyTimeout bounds the calls of one test, so that a hang is a failure.
const storyTimeout = 4 * time.Minute

func TestMain(m *testing.M) { harness.Main(m, 4) }

// onEach tells a story with a v2 server and the bridge on each v3 server.
func onEach(t *testing.T, tell func(st *stage)) {
	t.Helper()
	v2, err := client.New(client.Config{Endpoints: start(t, etcd35(t)).Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
			t.Cleanup(cancel)
			tell(&stage{T: t, ctx: ctx, v2: client.NewKeysAPI(v2), bridge: keysapi.New(newClient(t, start(t, server))), indexes: true})
		})
	}
}

func etcd35(t *testing.T) harness.Server {
	t.Helper()
	server, err := harness.BuildEtcd35(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func start(t *testing.T, s harness.Server) *harness.Cluster {
	t.Helper()
	return harness.Start(t, s, harness.Options{Flags: []string{"--unsafe-no-fsync"}})
}

func newClient(t *testing.T, c *harness.Cluster) *clientv3.Client {
	t.Helper()
	v3, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), DialTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v3.Close(); err != nil {
			t.Error(err)
		}
	})
	return v3
}

func newWriter(t *testing.T) writer {
	t.Helper()
	t.Logf("-bridge-seed=%d", *seed)
	return writer{Rand: rand.New(rand.NewPCG(*seed, 0))} //nolint:gosec // To be repeated.
}

func TestBridgeAnswersAsV2Does(t *testing.T) {
	onEach(t, func(st *stage) {
		w := newWriter(st.T)
		for range *rounds {
			st.mustAgree(w.script(100, 2))
		}
	})
}

// Indexes are not compared, as a refresh changes them in v2 only.
func TestBridgeKeepsTTLsAsV2Does(t *testing.T) {
	onEach(t, func(st *stage) {
		w := newWriter(st.T)
		w.ttls, st.indexes = true, false
		for range *rounds {
			st.mustAgree(w.script(100, 0))
		}
	})
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
