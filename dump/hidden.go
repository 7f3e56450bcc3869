package dump

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

const (
	// historyPatience is how long the search for hidden nodes waits for an event at
	// least, or else slower times as long as for the slowest answer before. Those of
	// the history come at once, but none may be left: the last one was a refresh, or
	// does not concern the root.
	historyPatience = time.Second
	slower          = 10
	// historyTries is how often the search begins anew because the store has
	// meanwhile forgotten where it was.
	historyTries = 5
)

// hiddenSet are the keys of hidden nodes to ask for.
type hiddenSet map[string]struct{}

// hiddenKeys takes the paths that a caller gives.
func hiddenKeys(root string, paths []string) (hiddenSet, error) {
	set := hiddenSet{}
	for _, path := range paths {
		key, err := keypath.Clean("Hidden", path)
		if err != nil {
			return nil, err
		}
		if !keypath.IsWithin(key, root) || !set.add(root, key) {
			return nil, &client.InvalidInputError{
				Field: "Hidden", Value: path,
				Reason: fmt.Sprintf("no element of it below the root %q begins with \"_\"", root),
			}
		}
	}
	return set, nil
}

// add notes what there is to ask for to have key; it is false if it is not hidden.
func (h hiddenSet) add(root, key string) bool {
	if !keypath.IsWithin(key, root) {
		return false
	}
	on := hiddenOn(root, key)
	for _, hidden := range on {
		h[hidden] = struct{}{}
	}
	return len(on) > 0
}

func (h hiddenSet) sorted() []string {
	keys := make([]string, 0, len(h))
	for key := range h {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

// search adds the hidden nodes that the store's history tells of behind an index,
// and says from which index to which it could be read.
func (h hiddenSet) search(ctx context.Context, kapi client.KeysAPI, root string, after uint64, report *reporter) (from, to uint64, err error) {
	began := time.Now()
	head, err := (&store{kapi: kapi}).index(ctx, root)
	slowest := time.Since(began)
	if err != nil {
		return 0, 0, err
	}
	report.begin(PhaseSearch, 0)
	defer report.end()
	from = after + 1
	for range historyTries {
		to, err = h.searchFrom(ctx, kapi, root, from, head, slowest, report)
		oldest := oldestIndex(err)
		if oldest <= from {
			return from, to, named("watch", root, err)
		}
		from = oldest
	}
	return 0, 0, nil // the store forgets faster than it can be read
}

// HiddenSearch is what the history of a store tells of its hidden nodes.
type HiddenSearch struct {
	// Keys are the hidden nodes that were written, each with the hidden ones that it
	// is in, in tree order. They need not be there any more.
	Keys []string
	// From and To are the indexes between which the history was read. A From that
	// is greater than one more than the index asked for tells of a gap: the store
	// has forgotten what was before. Both are zero if it forgets faster than it can
	// be read.
	From, To uint64
}

// SearchHidden looks for hidden nodes at and below root among the events behind an
// index that the store remembers. Zero means all it remembers. It takes a request
// for each event, and a second more where the last ones do not concern root, since
// nobody tells the end of a history; an event that takes longer than that, and ten
// times longer than the slowest answer before, is missed.
//
// The error is ctx.Err(), a [*client.InvalidInputError] or a [*StoreError]; what was
// read before it is told, so that a search may go on behind To.
func SearchHidden(ctx context.Context, kapi client.KeysAPI, root string, after uint64) (HiddenSearch, error) {
	root, found, err := checkSource(ctx, kapi, root, nil)
	if err != nil {
		return HiddenSearch{}, err
	}
	from, to, err := found.search(ctx, kapi, root, after, &reporter{})
	return HiddenSearch{Keys: found.sorted(), From: from, To: to}, err
}

// searchFrom reads the history from an index to the head, and says what it has read
// last.
func (h hiddenSet) searchFrom(ctx context.Context, kapi client.KeysAPI, root string, from, head uint64, slowest time.Duration, report *reporter) (to uint64, err error) {
	// AfterIndex is one less, but never 0, which is from now on.
	w := kapi.Watcher(root, &client.WatcherOptions{AfterIndex: max(from-1, 1), Recursive: true, Hidden: true})
	report.begin(PhaseSearch, int64(max(head, from)-from)) //nolint:gosec // at most 1,000
	for to = from - 1; to < head; {
		began := time.Now()
		event, err := nextWithin(ctx, w, max(historyPatience, slower*slowest))
		slowest = max(slowest, time.Since(began))
		switch {
		case ctx.Err() != nil:
			return to, ctx.Err()
		case isTimeout(err):
			return head, nil
		case err != nil:
			return to, err
		}
		to = event.Node.ModifiedIndex
		h.add(root, event.Node.Key)
		report.step(event.Node.Key)
	}
	return head, nil
}

func nextWithin(ctx context.Context, w client.Watcher, patience time.Duration) (*client.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return w.Next(ctx)
}

func isTimeout(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

// oldestIndex gives the oldest index of the history, which a server says when an
// older one is wanted: "the requested history has been cleared [1203/2]". It is 0
// for other errors.
func oldestIndex(err error) uint64 {
	var cleared client.Error
	if !client.IsEventIndexCleared(err) || !errors.As(err, &cleared) {
		return 0
	}
	_, rest, _ := strings.Cut(cleared.Cause, "[")
	oldest, _, _ := strings.Cut(rest, "/")
	index, err := strconv.ParseUint(oldest, 10, 64)
	if err != nil {
		return cleared.Index // of other words: only from now on
	}
	return index
}
