package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	historicclient "go.etcd.io/etcd/client/v2"

	"github.com/coreos/etcd/client"
)

const (
	eventWriters = 8
	busyKey      = "/busy"
	endKey       = busyKey + "/end"
	// watchTimeout bounds the wait for the last events of a burst.
	watchTimeout = 30 * time.Second
)

// seen is what became of a watch.
type seen struct {
	events  int
	resyncs int
	wrong   int    // events out of order
	end     string // why it ended before the last event, if it did
	err     error
}

// etcdEvents is a watch of what eight writers do at full speed. It counts what
// comes, and how long the historic watcher holds out.
func etcdEvents(ctx context.Context, b *Bench) ([]Line, error) {
	endpoint, err := b.etcd(ctx)
	if err != nil {
		return nil, err
	}
	all, leave, err := guests(endpoint, makers()[:2])
	if err != nil {
		return nil, err
	}
	defer leave()
	kapi, err := keysOn(endpoint, all[0].transport)
	if err != nil {
		return nil, err
	}
	first, err := kapi.Set(ctx, busyKey+"/begin", "", nil)
	if err != nil {
		return nil, err
	}
	after := first.Node.ModifiedIndex
	watching, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	var streamed, polled seen
	var wg sync.WaitGroup
	wg.Go(func() { streamed = watchByEvents(watching, kapi, after) })
	wg.Go(func() { polled = watchByHistoric(watching, endpoint, all[1].transport, after) })
	began := time.Now()
	length := long(b, 2*time.Second, 200*time.Millisecond)
	written, err := burst(ctx, kapi, length)
	took := time.Since(began)
	if err != nil {
		cancel()
	}
	wg.Wait()
	if err = errors.Join(err, streamed.err, polled.err); err != nil {
		return nil, err
	}
	work := fmt.Sprintf("watch of eight writers at full speed, etcd 3.5 (%.0f events per second)", float64(written)/took.Seconds())
	complete := fmt.Sprintf("%d of %d%s", streamed.events, written, streamed.end)
	return []Line{
		{
			Work: work, Measured: "events seen, in order", Ours: complete,
			Historic: fmt.Sprintf("%d of %d%s", polled.events, written, polled.end),
			Limit:    "all", Verdict: verdict(streamed.events == written && streamed.wrong == 0),
		},
		{
			Work: work, Measured: "resyncs", Ours: strconv.Itoa(streamed.resyncs), Limit: "0", Verdict: verdict(streamed.resyncs == 0),
		},
	}, nil
}

// burst writes for so long, with the last write to endKey, and says how often.
func burst(ctx context.Context, kapi client.KeysAPI, length time.Duration) (int, error) {
	var written atomic.Int64
	failures := make([]error, eventWriters)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range eventWriters {
		key := busyKey + "/k" + strconv.Itoa(i)
		wg.Go(func() {
			for n := 0; time.Since(began) < length && failures[i] == nil; n++ {
				_, failures[i] = kapi.Set(ctx, key, strconv.Itoa(n), nil)
				written.Add(1)
			}
		})
	}
	wg.Wait()
	_, err := kapi.Set(ctx, endKey, "", nil)
	return int(written.Add(1)), errors.Join(append(failures, err)...)
}

// take counts an event; it is true for the last one.
func (s *seen) take(key string, index uint64, last *uint64) bool {
	s.events++
	if index <= *last {
		s.wrong++
	}
	*last = index
	return key == endKey
}

func watchByEvents(ctx context.Context, kapi client.KeysAPI, after uint64) (s seen) {
	for event, err := range client.Events(ctx, kapi, busyKey, &client.EventsOptions{Recursive: true, AfterIndex: after}) {
		switch {
		case err != nil:
			s.err = fmt.Errorf("ours, after %d events: %w", s.events, err)
			return s
		case event.Kind == client.EventResync:
			s.resyncs++
			if after = event.Index; isThere(event.Node, endKey) {
				return s
			}
		case s.take(event.Node.Key, event.Index, &after):
			return s
		}
	}
	return s
}

func isThere(n *client.Node, key string) bool {
	if n == nil || n.Key == key {
		return n != nil
	}
	for _, child := range n.Nodes {
		if isThere(child, key) {
			return true
		}
	}
	return false
}

func watchByHistoric(ctx context.Context, endpoint string, t transport, after uint64) (s seen) {
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
			s.end = ", then error 401"
			return s
		case err != nil:
			s.err = fmt.Errorf("historic, after %d events: %w", s.events, err)
			return s
		case s.take(event.Node.Key, event.Node.ModifiedIndex, &after):
			return s
		}
	}
}
