package client_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// busyStore is a transport to a store that is written at a fixed rate, an event of
// /a at each index. Like etcd, it keeps 1,000 events, it sends one event of the
// history to a stream and nothing after it, and it drops a stream silently.
type busyStore struct {
	began     time.Time
	interval  time.Duration // between two events
	latency   time.Duration // of a request
	streamed  uint64        // how many events a stream brings before it is dropped
	lastIndex uint64        // nothing is written after it
}

const busyStoreHistory = 1000

func (s *busyStore) index() uint64 {
	return min(10+uint64(time.Since(s.began)/s.interval), s.lastIndex)
}

// RoundTrip implements http.RoundTripper.
func (s *busyStore) RoundTrip(req *http.Request) (*http.Response, error) {
	<-time.After(s.latency)
	index := s.index()
	resp := &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"X-Etcd-Index": {strconv.FormatUint(index, 10)}, "X-Etcd-Cluster-Id": {"c1"}},
	}
	query := req.URL.Query()
	next, _ := strconv.ParseUint(query.Get("waitIndex"), 10, 64)
	inHistory := next > 0 && next <= index
	switch {
	case query.Get("wait") != "true":
		resp.Body = io.NopCloser(strings.NewReader(eventLine("get", "/a", index)))
	case inHistory && next+busyStoreHistory <= index:
		resp.StatusCode = http.StatusBadRequest
		resp.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(`{"errorCode":401,"message":"The event in requested index is outdated and cleared","cause":"the requested history has been cleared [%d/%d]","index":%d}`, index-busyStoreHistory+1, next, index)))
	case inHistory && query.Get("stream") != "true":
		resp.Body = io.NopCloser(strings.NewReader(eventLine("set", "/a", next)))
	default:
		reader, writer := io.Pipe()
		resp.Body = reader
		go func() {
			switch {
			case inHistory:
				_, _ = io.WriteString(writer, eventLine("set", "/a", next))
			case query.Get("stream") == "true":
				s.write(req, writer, max(next, index+1), s.streamed)
			default:
				s.write(req, writer, max(next, index+1), 1)
				_ = writer.Close()
			}
			<-req.Context().Done()
			_ = writer.CloseWithError(req.Context().Err())
		}()
	}
	return resp, nil
}

// write writes n events, each when it happens.
func (s *busyStore) write(req *http.Request, w io.Writer, from, n uint64) {
	for i := from; i < from+n; i++ {
		for s.index() < i {
			select {
			case <-req.Context().Done():
				return
			case <-time.After(s.interval):
			}
		}
		if _, err := io.WriteString(w, eventLine("set", "/a", i)); err != nil {
			return
		}
	}
}

// TestEvents_StoreFasterThanTheHistoryIsRead: a store is written faster than its
// history can be read by requests for one event, and drops each stream soon. All
// events come, in order, without a resync.
func TestEvents_StoreFasterThanTheHistoryIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &busyStore{
			began: time.Now(), interval: 70 * time.Microsecond, latency: time.Millisecond, streamed: 300, lastIndex: 20_000,
		}
		kapi := client.NewKeysAPI(newClient(t, s))
		last := uint64(9)
		for event, err := range client.Events(t.Context(), kapi, "/a", &client.EventsOptions{AfterIndex: last}) {
			switch {
			case err != nil:
				t.Error(err)
				return
			case event.Kind == client.EventResync:
				t.Errorf("a resync at %d, after event %d", event.Index, last)
				return
			case event.Index != last+1:
				t.Errorf("event %d after %d", event.Index, last)
				return
			}
			if last = event.Index; last == s.lastIndex {
				break
			}
		}
	})
}
