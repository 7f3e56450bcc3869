package client_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// TestEventsCatchUp: a watch that begins in the history gets all of it, in order
// and once, be it dense or sparse; where it is dense, several at a time.
func TestEventsCatchUp(t *testing.T) {
	for _, tt := range []struct {
		why     string
		density float64 // how many of the store's events are of interest
		least   int32   // of the polls at a time
	}{
		{"all of interest", 1, 8},
		{"most", 0.9, 2},
		{"half", 0.5, 1},
		{"few", 0.05, 1},
	} {
		t.Run(tt.why, func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, 1))
					const head = 400
					var history []uint64
					for index := uint64(2); index < head; index++ {
						if random.Float64() < tt.density {
							history = append(history, index)
						}
					}
					history = append(history, head)
					var polls, most atomic.Int32
					f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
						if req.URL.Query().Get("wait") != "true" {
							return fakeAnswer{body: setReply}
						}
						most.Store(max(most.Load(), polls.Add(1)))
						defer polls.Add(-1)
						<-time.After(time.Millisecond) // so that those of one turn are seen together
						from, _ := strconv.ParseUint(req.FormValue("waitIndex"), 10, 64)
						at := "X-Etcd-Index: " + strconv.Itoa(head)
						i, _ := slices.BinarySearch(history, from)
						if i == len(history) {
							return fakeAnswer{header: at, stalls: true} // at the head: nothing comes
						}
						return fakeAnswer{header: at, body: eventLine("set", "/a", history[i])}
					})
					var seen []uint64
					for event, err := range client.Events(t.Context(), client.NewKeysAPI(newClient(t, f)), "/a", &client.EventsOptions{AfterIndex: 1}) {
						if err != nil {
							t.Fatal(err)
						}
						seen = append(seen, event.Index)
						if event.Index == head {
							break
						}
					}
					if !slices.Equal(seen, history) {
						t.Errorf("seed %d: saw %s, want %s", seed, fmt.Sprint(seen), fmt.Sprint(history))
					}
					if most.Load() < tt.least {
						t.Errorf("seed %d: at most %d polls at a time", seed, most.Load())
					}
				})
			}
		})
	}
}
