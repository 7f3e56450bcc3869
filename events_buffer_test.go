package client_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coreos/etcd/client"
)

// Events are read ahead of the loop as far as EventsOptions.BufferBytes lets them.
func TestEvents_BufferBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kapi := &scriptedKeys{}
		for i := range 10 {
			node := &client.Node{Key: "/a", Value: strings.Repeat("x", 1000), ModifiedIndex: uint64(i + 5)}
			kapi.nodes = append(kapi.nodes, &client.Response{Action: "set", Node: node})
		}
		seen := 0
		for event, err := range client.Events(t.Context(), kapi, "/a", &client.EventsOptions{BufferBytes: 3000}) {
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if event.Index != uint64(seen+5) {
				t.Errorf("event %d has index %d", seen, event.Index)
			}
			seen++
			// The loop has one, two are buffered, and one waits for room.
			if read := 10 - len(kapi.nodes); read > seen+3 {
				t.Errorf("%d events were read when the loop had %d", read, seen)
			}
			if seen == 10 {
				break
			}
		}
	})
}
