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
	quiet   = "quiet watches"
)

// everyday is what the callers of most scenarios do. All writes together come to
// less than 50 a second, so that a watch that is stalled for twenty seconds does
// not fall out of the server's history of 1,000 events, and several scenarios can
// be run at a time on two cores.
func everyday() []Load {
	const pace = 200 * time.Millisecond
	return []Load{
		{Name: reads, Callers: 4, Pace: pace / 5, job: newReader},
		{Name: sets, Callers: 3, Pace: pace, Requests: []harness.Match{setRequest}, job: keyed(set())},
		{Name: creates, Callers: 3, Pace: pace, AtMostOnce: true, job: newCreator},
		{Name: swaps, Callers: 3, Pace: pace, AtMostOnce: true, job: newSwapper},
		{Name: watches, Callers: 2, Pace: pace / 40, Lasting: true, job: newWatcher},
	}
}

// slow is everyday with fewer writes, so that a watch may be stalled for more than
// a minute.
func slow() []Load {
	const pace = 200 * time.Millisecond
	return []Load{
		{Name: reads, Callers: 2, Pace: pace / 2, job: newReader},
		{Name: sets, Callers: 1, Pace: pace, Requests: []harness.Match{setRequest}, job: keyed(set())},
		{Name: watches, Callers: 2, Pace: pace / 40, Lasting: true, job: newWatcher},
	}
}

// rare has calls as far apart as idle connections live in some networks.
func rare() []Load {
	const pace = idleTimeout
	return []Load{
		{Name: reads, Callers: 2, Pace: pace, job: newReader},
		{Name: sets, Callers: 2, Pace: pace, Requests: []harness.Match{setRequest}, job: keyed(set())},
		{Name: creates, Callers: 2, Pace: pace, AtMostOnce: true, job: newCreator},
		{Name: watches, Callers: 2, Pace: pace / 20, Lasting: true, job: newWatcher},
	}
}

// quietly has watches of what nobody writes until all is over.
func quietly(stagger time.Duration) Load {
	return Load{Name: quiet, Callers: quietWatches, Stagger: stagger, Lasting: true, job: newQuietWatcher}
}

// setRequest matches the requests of the load of sets.
var setRequest = harness.Match{Method: http.MethodPut, Path: "/v2/keys" + setsDir + "/"} //nolint:gochecknoglobals // a constant

// unprepared is for jobs whose calls need nothing.
type unprepared struct{}

func (unprepared) prepare(context.Context, int) error { return nil }

// A reader reads a key, with and without a quorum.
type reader struct {
	unprepared
	keys client.KeysAPI
	env  *env
}

const (
	readKey   = "/read"
	readValue = "as written"
)

func newReader(_ Load, s *env, c client.Client) job {
	return &reader{env: s, keys: client.NewKeysAPI(c)}
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
	keys client.KeysAPI
	env  *env
}

const queue = "/queue"

func newCreator(_ Load, s *env, c client.Client) job {
	return &creator{env: s, keys: client.NewKeysAPI(c)}
}

func (c *creator) call(ctx context.Context, _, n int) (wrote bool, err error) {
	_, err = c.keys.CreateInOrder(ctx, queue, strconv.Itoa(n), nil)
	return true, err
}

func (c *creator) audit(ctx context.Context, l *ledger, f *Findings) error {
	contents, err := c.env.contents(ctx, queue)
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

// judge compares how a write ended for its caller with whether it was applied.
func (f *Findings) judge(o outcome, applied bool) {
	switch {
	case o == acknowledged && !applied:
		f.Lost++
	case (o == unavailable || o == wrong) && applied:
		f.Denied++
	}
}
