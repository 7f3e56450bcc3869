package faults

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/coreos/etcd/client"
)

// A watcher watches what the load of sets writes.
type watcher struct {
	unprepared
	env      *env
	watchers []client.Watcher // by caller

	mu   sync.Mutex // guards the fields below
	seen []record   // by caller
}

// A record is what one caller has seen.
type record struct {
	events map[string]int // by key
	index  uint64         // of the last event
	twice  int            // events at or below the last one's index
}

func newWatcher(l Load, s *env, c client.Client) job {
	w := &watcher{env: s}
	for range l.Callers {
		w.watchers = append(w.watchers, client.NewKeysAPI(c).Watcher(setsDir, &client.WatcherOptions{AfterIndex: s.index, Recursive: true}))
		w.seen = append(w.seen, record{events: map[string]int{}, index: s.index})
	}
	return w
}

func (w *watcher) call(ctx context.Context, caller, _ int) (wrote bool, err error) {
	resp, err := w.watchers[caller].Next(ctx)
	if err != nil {
		return false, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := &w.seen[caller]
	if resp.Node.ModifiedIndex <= seen.index {
		seen.twice++
	}
	seen.index = resp.Node.ModifiedIndex
	seen.events[strings.TrimPrefix(resp.Node.Key, setsDir+"/")]++
	return false, nil
}

// missing counts the acknowledged sets that callers have not seen.
func (w *watcher) missing() int {
	acked := w.env.ledgers[sets].all()
	w.mu.Lock()
	defer w.mu.Unlock()
	missing := 0
	for n, o := range acked {
		for _, seen := range w.seen {
			if o == acknowledged && seen.events[keyName(n)] == 0 {
				missing++
			}
		}
	}
	return missing
}

// caughtUp fails while there is something that the callers have not seen.
func (w *watcher) caughtUp(context.Context) error {
	if w.missing() > 0 {
		return errors.New("events are missing")
	}
	return nil
}

// audit looks for what was not reported: events up to the last one that was are
// lost.
func (w *watcher) audit(ctx context.Context, _ *ledger, f *Findings) error {
	contents, err := w.env.contents(ctx, setsDir)
	if err != nil {
		return err
	}
	for _, seen := range w.seen {
		for key, node := range contents {
			switch {
			case seen.events[strings.TrimPrefix(key, setsDir+"/")] > 0:
			case node.ModifiedIndex <= seen.index:
				f.Lost++
			default:
				f.Late++
			}
		}
		f.Twice += seen.twice
		for _, n := range seen.events {
			if w.env.strict {
				f.Twice += n - 1
			}
		}
	}
	return nil
}
