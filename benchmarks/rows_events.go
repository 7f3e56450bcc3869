package benchmarks

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/benchmarks/measure"
)

// errResync is a resync where no history was lost.
var errResync = errors.New("benchmarks: a resync")

// eventsWork is what the lines of eventStream call their work.
const eventsWork = "Events, streaming stub, an event (others: a long poll)"

// eventStream is what an event costs that a stream brings, where the server writes
// as fast as it can. The others have no streams: they make long polls.
func eventStream(ctx context.Context, b *Bench) ([]Line, error) {
	s, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	all, leave, err := guests(s.endpoints[0], makers())
	if err != nil {
		return nil, err
	}
	defer leave()
	kapi, err := keysOn(s.endpoints[0], all[0].transport)
	if err != nil {
		return nil, err
	}
	least := long(b, 20000, 2000)
	subjects := []measure.Subject{
		// A round of streaming has so many events that its first connection does not count.
		{Name: oursName, Work: func(n int) error { return streamed(ctx, kapi, n*least) }},
		{Name: historicName, Work: follow(ctx, all[1].peer)},
		{Name: bareName, Work: follow(ctx, all[2].peer)},
	}
	taken, err := b.runRounds(subjects)
	if err != nil {
		return nil, err
	}
	for i, c := range taken[0] {
		by := float64(least)
		taken[0][i] = measure.Cost{Wall: c.Wall / by, CPU: c.CPU / by, Bytes: c.Bytes / by, Allocs: c.Allocs / by}
	}
	return []Line{
		of(eventsWork, "time", measure.Nanoseconds, taken, measure.Series.Wall).atMost(2000),
		withRatio(of(eventsWork, processorTime, measure.Nanoseconds, taken, measure.Series.CPU)),
		of(eventsWork, "bytes", measure.Bytes, taken, measure.Series.Bytes).line(),
		of(eventsWork, "allocations", measure.Count, taken, measure.Series.Allocs).atMost(8),
	}, nil
}

func keysOn(endpoint string, t transport) (client.KeysAPI, error) {
	c, err := client.New(client.Config{Endpoints: []string{endpoint}, Transport: t})
	if err != nil {
		return nil, err
	}
	return client.NewKeysAPI(c), nil
}

// streamed takes n events from a new stream and checks that each is the next.
func streamed(ctx context.Context, kapi client.KeysAPI, n int) error {
	last := uint64(firstEvent)
	for event, err := range client.Events(ctx, kapi, eventKey, &client.EventsOptions{Recursive: true, AfterIndex: firstEvent}) {
		switch {
		case err != nil:
			return err
		case event.Kind == client.EventResync:
			return errResync
		}
		if last++; event.Index != last {
			return fmt.Errorf("%w: event %d, want %d", errOutOfOrder, event.Index, last)
		}
		if n--; n == 0 {
			return nil
		}
	}
	return nil
}
