package bridge

import (
	"context"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// A prefix is not to be seen in anything that the bridge says.
func TestBridgeBelowAPrefix(t *testing.T) {
	v2, err := client.New(client.Config{Endpoints: start(t, etcd35(t)).Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	t.Cleanup(cancel)
	servers := harness.ServersV3(t)
	v3 := newClient(t, start(t, servers[len(servers)-1]))
	st := &stage{T: t, ctx: ctx, v2: client.NewKeysAPI(v2), bridge: keysapi.New(v3, keysapi.WithPrefix("/be/low")), indexes: true}
	w := newWriter(t)
	for range *rounds {
		st.mustAgree(w.script(100, 2))
	}
}
