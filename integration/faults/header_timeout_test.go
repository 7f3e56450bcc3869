package faults_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// TestHeaderTimeout_OfAnotherCall has replies that come just at the limit beside
// fast ones. A fast call that fails in less than half of the limit was ended by the
// timer of another one.
func TestHeaderTimeout_OfAnotherCall(t *testing.T) {
	t.Parallel()
	const (
		limit  = 20 * time.Millisecond
		step   = 5 * time.Microsecond
		length = 6 * time.Second
	)
	// How long a slow reply takes, so that about half of them come in time.
	var delay atomic.Int64
	delay.Store(int64(limit - time.Millisecond))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/slow") {
			due := time.Now().Add(time.Duration(delay.Load()))
			pause(r.Context(), time.Until(due)-500*time.Microsecond)
			for time.Now().Before(due) { // Timers are not so exact.
				runtime.Gosched()
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Etcd-Index", "7")
		_, _ = w.Write([]byte(`{"action":"get","node":{"key":"/k","value":"v","modifiedIndex":7,"createdIndex":7}}` + "\n"))
	}))
	t.Cleanup(server.Close)
	kapi, _ := newKeys(t, client.Config{Endpoints: []string{server.URL}, HeaderTimeoutPerRequest: limit})
	var (
		wg                   sync.WaitGroup
		fast, killed, inTime atomic.Int64
		slow                 atomic.Int64
		example              atomic.Value
	)
	end := time.Now().Add(length)
	again := func(key string, after func(time.Duration, error)) {
		wg.Go(func() {
			for time.Now().Before(end) {
				began := time.Now()
				_, err := kapi.Get(context.Background(), key, nil)
				after(time.Since(began), err)
			}
		})
	}
	for range 12 {
		again("/slow", func(_ time.Duration, err error) {
			slow.Add(1)
			if err == nil {
				inTime.Add(1)
				delay.Add(int64(step))
			} else {
				delay.Add(-int64(step))
			}
		})
	}
	for range 4 {
		again("/fast", func(took time.Duration, err error) {
			fast.Add(1)
			if err != nil && took < limit/2 {
				killed.Add(1)
				example.CompareAndSwap(nil, took.String()+": "+err.Error())
			}
		})
	}
	wg.Wait()
	t.Logf("%d of %d slow replies came in time", inTime.Load(), slow.Load())
	if killed.Load() > 0 {
		t.Errorf("%d of %d fast calls failed long before their limit; the first after %v", killed.Load(), fast.Load(), example.Load())
	}
}
