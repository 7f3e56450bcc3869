package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/coreos/etcd/client"
)

const quietDir = "/quiet"

// A quietWatcher watches what nobody writes until the steps are over. What is
// written then is the sentinel: every watch must report it.
type quietWatcher struct {
	unprepared
	env      *env
	watchers []client.Watcher // by caller

	mu   sync.Mutex // guards the fields below
	seen []int      // sentinels, by caller
}

func newQuietWatcher(l Load, s *env, c client.Client) job {
	w := &quietWatcher{env: s, seen: make([]int, l.Callers)}
	for range l.Callers {
		w.watchers = append(w.watchers, client.NewKeysAPI(c).Watcher(quietDir, &client.WatcherOptions{AfterIndex: s.index, Recursive: true}))
	}
	return w
}

// writeSentinel writes what the quiet watches report, if there are any.
func (s *env) writeSentinel(ctx context.Context, loads []*running) error {
	for _, r := range loads {
		if _, ok := r.job.(*quietWatcher); !ok {
			continue
		}
		s.sentinels++
		return s.eventually(ctx, func(ctx context.Context) error {
			_, err := s.keys.Set(ctx, fmt.Sprintf("%s/%d", quietDir, s.sentinels), "", nil)
			return err
		})
	}
	return nil
}

func (w *quietWatcher) call(ctx context.Context, caller, _ int) (wrote bool, err error) {
	_, err = w.watchers[caller].Next(ctx)
	if err != nil {
		return false, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[caller]++
	return false, nil
}

// missing returns how many watches have not reported the sentinel.
func (w *quietWatcher) missing() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	missing := 0
	for _, n := range w.seen {
		if n == 0 {
			missing++
		}
	}
	return missing
}

// caughtUp fails while there is a watch that has not reported the sentinel.
func (w *quietWatcher) caughtUp(context.Context) error {
	if w.missing() > 0 {
		return errors.New("quiet watches have not reported the sentinel")
	}
	return nil
}

func (w *quietWatcher) audit(_ context.Context, _ *ledger, f *Findings) error {
	f.Late += w.missing()
	return nil
}
