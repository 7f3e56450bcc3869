package faults

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// Names of loads.
const (
	reads   = "reads"
	sets    = "sets"
	creates = "in-order creates"
	swaps   = "swaps"
	watches = "watches"
)

// everyday is what the callers of most scenarios do. All writes together come to
// less than 100 a second, so that a watch that stands still for ten seconds does
// not fall out of the server's history of 1,000 events: that is another story.
func everyday() []Load {
	const pace = 100 * time.Millisecond
	put := harness.Match{Method: http.MethodPut, Path: "/v2/keys/sets/"}
	return []Load{
		{Name: reads, Callers: 4, Pace: pace / 5, job: newReader},
		{Name: sets, Callers: 3, Pace: pace, Requests: []harness.Match{put}, job: keyed(set())},
		{Name: creates, Callers: 3, Pace: pace, AtMostOnce: true, job: newCreator},
		{Name: swaps, Callers: 3, Pace: pace, AtMostOnce: true, job: newSwapper},
		{Name: watches, Callers: 2, Pace: pace / 20, Lasting: true, job: newWatcher},
	}
}

// unprepared is for jobs whose calls need nothing.
type unprepared struct{}

func (unprepared) prepare(context.Context, int) error { return nil }

// A reader reads a key, with and without a quorum.
type reader struct {
	unprepared
	keys  client.KeysAPI
	stage *stage
}

const (
	readKey   = "/read"
	readValue = "as written"
)

func newReader(_ Load, s *stage, c client.Client) job {
	return &reader{stage: s, keys: client.NewKeysAPI(c)}
}

func (r *reader) call(ctx context.Context, _, n int) (wrote bool, err error) {
	resp, err := r.keys.Get(ctx, readKey, &client.GetOptions{Quorum: n%2 == 0})
	if err == nil && resp.Node.Value != readValue {
		err = fmt.Errorf("read %q", resp.Node.Value)
	}
	return false, err
}

func (r *reader) audit(context.Context, *ledger, *Findings) error { return nil }

// A creator makes entries of a queue, each with a value of its own.
type creator struct {
	unprepared
	keys  client.KeysAPI
	stage *stage
}

const queue = "/queue"

func newCreator(_ Load, s *stage, c client.Client) job {
	return &creator{stage: s, keys: client.NewKeysAPI(c)}
}

func (c *creator) call(ctx context.Context, _, n int) (wrote bool, err error) {
	_, err = c.keys.CreateInOrder(ctx, queue, strconv.Itoa(n), nil)
	return true, err
}

func (c *creator) audit(ctx context.Context, l *ledger, f *Findings) error {
	contents, err := c.stage.contents(ctx, queue)
	if err != nil {
		return err
	}
	entries := map[string]int{} // by value
	for _, node := range contents {
		entries[node.Value]++
	}
	for n, o := range l.all() {
		found := entries[strconv.Itoa(n)]
		f.judge(o, found > 0)
		f.Twice += max(0, found-1)
	}
	return nil
}

// judge compares what the caller of a write was told with whether it was applied.
func (f *Findings) judge(o outcome, applied bool) {
	switch {
	case o == acknowledged && !applied:
		f.Lost++
	case (o == unavailable || o == wrong) && applied:
		f.Denied++
	}
}
