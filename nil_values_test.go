package client_test

import (
	"net/http"
	"testing"

	"github.com/coreos/etcd/client"
)

// Nil values in the places where a program may leave them are errors, and no panics.
func TestNilValues(t *testing.T) {
	_, err := client.NewKeysAPI(nil).Get(t.Context(), "/a", nil)
	wantInvalidInput(t, err, "Client")
	_, err = client.NewKeysAPI(nil).Set(t.Context(), "/a", "1", nil)
	wantInvalidInput(t, err, "Client")
	_, err = client.NewKeysAPI(nil).Watcher("/a", nil).Next(t.Context())
	wantInvalidInput(t, err, "Client")
	_, err = client.NewMembersAPI(nil).List(t.Context())
	wantInvalidInput(t, err, "Client")
	wantInvalidInput(t, client.NewAuthAPI(nil).Enable(t.Context()), "Client")
	for _, kapi := range []client.KeysAPI{nil, client.NewKeysAPI(nil)} {
		for _, err = range client.Events(t.Context(), kapi, "/a", nil) {
			if err == nil {
				t.Error("an event of nothing")
			}
		}
		var invalid *client.InvalidInputError
		if invalid, _ = bare[*client.InvalidInputError](err); invalid == nil {
			t.Errorf("got %v", err)
		}
	}
	_, err = client.New(client.Config{Endpoints: []string{"http://a"}, Transport: (*http.Transport)(nil)})
	wantInvalidInput(t, err, "Transport")
	var node *client.Node
	var failed *client.ClusterError
	if node.String() != "<nil>" || node.TTLDuration() != 0 || failed.Error() != "<nil>" || failed.Detail() != "" {
		t.Error("nil pointers are printed as something else")
	}
}
