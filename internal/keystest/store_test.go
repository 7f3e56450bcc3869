package keystest_test

import (
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
)

func TestInOrderNamesAreIndexes(t *testing.T) {
	s := keystest.New()
	for _, want := range []string{"/q/00000000000000000004", "/q/00000000000000000005"} {
		resp, err := s.CreateInOrder(t.Context(), "/q", "v", &client.CreateInOrderOptions{})
		if err != nil || resp.Node.Key != want {
			t.Errorf("got %v, %v; want %s", resp, err, want)
		}
	}
}
