package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	historicclient "go.etcd.io/etcd/client/v2"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/benchmarks/measure"
)

const (
	// eventWriters is how many connections the events are written on. More of them
	// raise etcd's rate little on a small machine.
	eventWriters = 8
	busyKey      = "/busy"
	endKey       = busyKey + "/end"
	// watchTimeout bounds the wait for the last events of a burst.
	watchTimeout = 30 * time.Second
	// serverBuffer is how many events etcd holds for a stream before it drops it.
	serverBuffer = 100
	// etcdHistory is how many events etcd's history holds.
	etcdHistory = 1000
)

// watchResult is what a watch of a burst has seen.
type watchResult struct {
	events  int
	resyncs int
	wrong   int    // events out of order
	end     string // why it ended before the last event, if it did
	err     error
}

// burstResult is what one burst of writes came to.
type burstResult struct {
	written            int
	rate               float64 // events per second
	streamed, polled   watchResult
	streams            int           // requests for a stream
	longestReplacement time.Duration // see streamClock
}

// etcdEvents is a watch of what eight writers write as fast as etcd takes it: one
// member, without fsync. It counts the events and the resyncs of Events, and how
// long the historic watcher lasts.
func etcdEvents(ctx context.Context, b *Bench) ([]Line, error) {
	endpoint, err := b.etcd(ctx)
	if err != nil {
		return nil, err
	}
	var all []burstResult
	for range long(b, min(b.options.Rounds, maxBursts), 1) {
		one, err := watchedBurst(ctx, endpoint, long(b, 2*time.Second, 200*time.Millisecond))
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return burstLines(all), nil
}

// maxBursts is how many bursts are written at most.
const maxBursts = 5

// burstLines returns the lines of the bursts, in sums and in the worst case.
func burstLines(all []burstResult) []Line {
	var (
		rates                     []float64
		sum                       burstResult
		streams, wrong, truncated int
	)
	for _, one := range all {
		rates = append(rates, one.rate)
		sum.written += one.written
		sum.streamed.events += one.streamed.events
		sum.streamed.resyncs += one.streamed.resyncs
		sum.polled.events += one.polled.events
		sum.longestReplacement = max(sum.longestReplacement, one.longestReplacement)
		streams += one.streams
		wrong += one.streamed.wrong
		if one.polled.end != "" {
			truncated++
		}
	}
	rate := measure.NewSpread(rates)
	work := fmt.Sprintf("watch of eight writers at full speed, etcd 3.5, %d bursts (%.0f to %.0f events per second)", len(all), rate.At(0), rate.At(1))
	historic := fmt.Sprintf("%d of %d", sum.polled.events, sum.written)
	if truncated > 0 {
		historic += fmt.Sprintf(", error 401 in %d bursts", truncated)
	}
	historyLasts := time.Duration(etcdHistory / rate.At(1) * float64(time.Second))
	return []Line{
		{
			Work: work, Measured: "events seen, in order",
			Ours:     fmt.Sprintf("%d of %d", sum.streamed.events, sum.written),
			Historic: historic,
			Limit:    "all", Verdict: verdict(sum.streamed.events == sum.written && wrong == 0),
		},
		{
			Work: work, Measured: "resyncs", Ours: strconv.Itoa(sum.streamed.resyncs), Limit: "0",
			Verdict: verdict(sum.streamed.resyncs == 0),
		},
		{
			Work: work, Measured: "streams", Ours: strconv.Itoa(streams),
		},
		{
			Work: work, Measured: "longest time from the last byte of a stream to the next request",
			Ours:  measure.Nanoseconds(float64(sum.longestReplacement)),
			Limit: "≤ " + measure.Nanoseconds(float64(historyLasts)) + " (1,000 events)", Verdict: verdict(sum.longestReplacement <= historyLasts),
		},
	}
}

// watchedBurst writes for so long while Events and the historic Watcher watch.
func watchedBurst(ctx context.Context, endpoint string, length time.Duration) (burstResult, error) {
	clock := &streamClock{transport: newTransport()}
	old := newTransport()
	defer clock.CloseIdleConnections()
	defer old.CloseIdleConnections()
	kapi, err := keysOn(endpoint, clock)
	if err != nil {
		return burstResult{}, err
	}
	first, err := kapi.Set(ctx, busyKey+"/begin", "", nil)
	if err != nil {
		return burstResult{}, err
	}
	after := first.Node.ModifiedIndex
	watching, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	var r burstResult
	var wg sync.WaitGroup
	wg.Go(func() { r.streamed = watchByEvents(watching, kapi, after) })
	wg.Go(func() { r.polled = watchByHistoric(watching, endpoint, old, after) })
	began := time.Now()
	r.written, err = burst(ctx, endpoint, length)
	r.rate = float64(r.written) / time.Since(began).Seconds()
	if err != nil {
		cancel()
	}
	wg.Wait()
	r.streams, r.longestReplacement = clock.result()
	return r, errors.Join(err, r.streamed.err, r.polled.err)
}

// burst writes for so long, with the last write to endKey, and returns how often.
func burst(ctx context.Context, endpoint string, length time.Duration) (int, error) {
	var written atomic.Int64
	failures := make([]error, eventWriters)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range eventWriters {
		key := busyKey + "/k" + strconv.Itoa(i)
		wg.Go(func() {
			w, err := newRawWriter(ctx, endpoint)
			if err != nil {
				failures[i] = err
				return
			}
			for n := 0; time.Since(began) < length && failures[i] == nil && ctx.Err() == nil; n++ {
				failures[i] = w.set(key, n)
				written.Add(1)
			}
			failures[i] = errors.Join(failures[i], w.close())
		})
	}
	wg.Wait()
	w, err := newRawWriter(ctx, endpoint)
	if err != nil {
		return 0, err
	}
	err = errors.Join(w.set(endKey, 0), w.close())
	return int(written.Add(1)), errors.Join(append(failures, err)...)
}

// streamClock is a transport that measures how long streams of events are replaced
// after: from the last byte of a stream that has brought as many events as etcd
// holds, until the next request for events.
type streamClock struct {
	transport *http.Transport

	mu      sync.Mutex // guards the fields below
	streams int
	silent  time.Time // the last byte of a stream; zero: no stream has ended since the last request
	longest time.Duration
}

// RoundTrip implements http.RoundTripper.
func (c *streamClock) RoundTrip(req *http.Request) (*http.Response, error) {
	query := req.URL.Query()
	if query.Get("wait") == "true" {
		c.onRequest(query.Get("stream") == "true")
	}
	resp, err := c.transport.RoundTrip(req)
	if err == nil && query.Get("stream") == "true" {
		resp.Body = &clockedBody{ReadCloser: resp.Body, clock: c}
	}
	return resp, err
}

// CloseIdleConnections closes those of the transport.
func (c *streamClock) CloseIdleConnections() { c.transport.CloseIdleConnections() }

// CancelRequest implements transport.
func (c *streamClock) CancelRequest(*http.Request) {}

func (c *streamClock) onRequest(stream bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.silent.IsZero() {
		c.longest = max(c.longest, time.Since(c.silent))
	}
	c.silent = time.Time{}
	if stream {
		c.streams++
	}
}

func (c *streamClock) result() (streams int, longest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams, c.longest
}

// clockedBody is the body of a stream.
type clockedBody struct {
	io.ReadCloser

	clock *streamClock
	bytes int
}

// Read implements io.Reader.
func (b *clockedBody) Read(p []byte) (int, error) {
	const eventBytes = 100 // fewer than an event has
	n, err := b.ReadCloser.Read(p)
	if b.bytes += n; n > 0 && b.bytes >= serverBuffer*eventBytes {
		b.clock.mu.Lock()
		b.clock.silent = time.Now()
		b.clock.mu.Unlock()
	}
	return n, err
}

// take counts an event, and reports whether it is the last one.
func (s *watchResult) take(key string, index uint64, last *uint64) bool {
	s.events++
	if index <= *last {
		s.wrong++
	}
	*last = index
	return key == endKey
}

func watchByEvents(ctx context.Context, kapi client.KeysAPI, after uint64) (s watchResult) {
	for event, err := range client.Events(ctx, kapi, busyKey, &client.EventsOptions{Recursive: true, AfterIndex: after}) {
		switch {
		case err != nil:
			s.err = fmt.Errorf("ours, after %d events: %w", s.events, err)
			return s
		case event.Kind == client.EventResync:
			s.resyncs++
			last := after
			after = event.Index
			if node := findNode(event.Node, endKey); node != nil && node.ModifiedIndex > last {
				return s
			}
		case s.take(event.Node.Key, event.Index, &after):
			return s
		}
	}
	return s
}

// findNode returns the node of key in the tree n, or nil.
func findNode(n *client.Node, key string) *client.Node {
	if n == nil || n.Key == key {
		return n
	}
	for _, child := range n.Nodes {
		if found := findNode(child, key); found != nil {
			return found
		}
	}
	return nil
}

func watchByHistoric(ctx context.Context, endpoint string, t transport, after uint64) (s watchResult) {
	c, err := historicclient.New(historicclient.Config{Endpoints: []string{endpoint}, Transport: t})
	if err != nil {
		s.err = err
		return s
	}
	w := historicclient.NewKeysAPI(c).Watcher(busyKey, &historicclient.WatcherOptions{Recursive: true, AfterIndex: after})
	for {
		event, err := w.Next(ctx)
		var etcdErr historicclient.Error
		switch {
		case errors.As(err, &etcdErr) && etcdErr.Code == historicclient.ErrorCodeEventIndexCleared:
			s.end = "error 401"
			return s
		case err != nil:
			s.err = fmt.Errorf("historic, after %d events: %w", s.events, err)
			return s
		case s.take(event.Node.Key, event.Node.ModifiedIndex, &after):
			return s
		}
	}
}
