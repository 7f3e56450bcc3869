package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// A write whose reply broke off behind etcd's status was applied: the history shows it.
func TestModify_ReplyBrokeOff(t *testing.T) {
	header := "X-Etcd-Index: 8\nX-Etcd-Cluster-Id: c1"
	node := func(action string, index int) fakeAnswer {
		return fakeAnswer{header: header, body: fmt.Sprintf(`{"action":%q,"node":{"key":"/a","value":"%d","modifiedIndex":%d,"createdIndex":7}}`, action, index, index)}
	}
	broken := fakeAnswer{header: header, body: `{"action":"compareAnd`, breaks: io.ErrUnexpectedEOF}
	for name, history := range map[string]fakeAnswer{
		"the history shows it": node("compareAndSwap", 8),
		"the history is gone":  {status: 400, header: header, body: `{"errorCode":401,"message":"cleared","index":9000}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := script(t, node("get", 7), broken, history, node("get", 8))
				kapi := client.NewKeysAPI(newClient(t, f))
				resp, err := client.Modify(t.Context(), kapi, "/a", setTo("8"), nil)
				if history.status == 0 {
					if err != nil || resp.Node.ModifiedIndex != 8 || resp.Action != "compareAndSwap" {
						t.Errorf("got %+v, %v", resp, err)
					}
					return
				}
				reply, ok := bare[*client.ReplyError](err)
				if !ok || reply.StatusCode != http.StatusOK || errors.Is(err, client.ErrOutcomeUnknown) || !client.MayBeApplied(err) {
					t.Errorf("got %+v, %v", resp, err)
				}
			})
		})
	}
}

// A member that serves no v2 API, and a gateway that refuses calls, are asked last
// although a member answers probes there.
func TestFailover_HealthyMemberWithoutV2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScenario(t, fakeAnswer{status: 404, body: "404 page not found\n"}, fakeAnswer{body: healthy}, fakeAnswer{body: setReply})
		kapi := s.keys(t, "a", "b", "c")
		for range 20 {
			if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
				t.Fatal(err)
			}
			<-time.After(3 * time.Second) // it is probed meanwhile
		}
		asked := hosts(s.fakeTransport)
		for _, host := range asked[1:] {
			if host == asked[0] {
				t.Fatalf("asked %v", asked)
			}
		}
	})
}
