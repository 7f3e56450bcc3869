package concurrency

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// line is a directory of in-order keys, one for each who waits, the first of whom
// holds what the line is for. Each entry's value begins with a mark that is used
// for nothing else, by which its owner knows it when the answer of its creation
// was lost.
type line struct {
	s   *Session
	dir string // clean
}

func newLine(s *Session, pfx string) line { return line{s: s, dir: cleanKey(pfx)} }

// checkInput refuses what can't be meant.
func (l *line) checkInput(ctx context.Context) error {
	switch {
	case ctx == nil:
		return &client.InvalidInputError{Field: "context", Reason: "it is nil"}
	case l.s == nil:
		return &client.InvalidInputError{Field: "session", Reason: "it is nil"}
	case l.dir == "":
		return &client.InvalidInputError{Field: "prefix", Reason: "it is the root"}
	}
	return nil
}

// check refuses also what is of no use any more.
func (l *line) check(ctx context.Context) error {
	if err := l.checkInput(ctx); err != nil {
		return err
	}
	if err := l.s.Err(); err != nil {
		return err
	}
	return ctx.Err()
}

// entry is a place in a line.
type entry struct {
	line    *line
	mark    string // how its value begins
	key     string // "" until it is known to be in the line
	created uint64 // CreatedIndex: the order of the line
	kept    *kept
	posts   int                 // creations that were, or may have been, or may yet be carried out
	seen    map[string]struct{} // the keys that they have made, as far as that is known
	handed  sync.Once
	awaited sync.Once
}

// longestLateness is how long after it was sent a server may carry a request out:
// it gives it up itself after 5 seconds and two election timeouts.
const longestLateness = 10 * time.Second

func (l *line) newEntry(mark string) *entry {
	return &entry{line: l, mark: mark, seen: map[string]struct{}{}}
}

// newMark gives a mark that is used for nothing else.
func (l *line) newMark() string { return l.s.nonce() + markEnd }

const markEnd = ":"

// ahead is who is before an entry.
type ahead struct {
	key   string // "" when nobody is
	index uint64 // from where to watch it
}

// acquire enters the line and waits until everybody ahead has gone. When it fails,
// it leaves the line.
func (l *line) acquire(ctx context.Context, op, payload string) (*entry, error) {
	e := l.newEntry(l.newMark())
	bound, release := l.s.bind(ctx)
	defer release()
	before, err := e.join(bound, payload)
	for err == nil && before.key != "" {
		if err = l.untilGone(bound, before); err == nil {
			before, err = e.look(bound)
		}
	}
	if err == nil {
		err = l.s.Err()
	}
	if err != nil {
		err = l.s.explain(ctx, op, l.dir, err)
		e.abandon(ctx)
		return nil, err
	}
	return e, nil
}

// join creates the entry. Where it is unknown whether that was done, the line tells;
// an entry that comes late is found by each later look, and deleted.
func (e *entry) join(ctx context.Context, payload string) (ahead, error) {
	s := e.line.s
	var p pause
	for {
		sent := time.Now()
		resp, err := s.attempt(ctx, func(ctx context.Context) (*client.Response, error) {
			return s.kapi.CreateInOrder(ctx, e.line.dir, e.mark+payload, &client.CreateInOrderOptions{TTL: s.ttl})
		})
		switch {
		case err == nil:
			e.posts++
			err = e.take(resp.Node, sent)
		case isFinal(err):
		case mayBeApplied(err):
			e.posts++
			err = nil
		default:
			err = nil
		}
		if err != nil {
			return ahead{}, err
		}
		before, err := e.look(ctx)
		if err != nil || e.kept != nil {
			return before, err
		}
		if !p.wait(ctx) {
			return ahead{}, context.Cause(ctx)
		}
	}
}

// mayBeApplied reports whether a write that failed may have been carried out.
func mayBeApplied(err error) bool {
	var cluster *client.ClusterError
	return !errors.As(err, &cluster) || cluster.OutcomeUnknown
}

// take makes a node of the line the entry's, and has it renewed from now on.
func (e *entry) take(n *client.Node, since time.Time) error {
	key := e.line.keyOf(n)
	k, err := e.line.s.keepOwn(key, e.mark, since)
	if e.kept != nil {
		e.kept.release()
	}
	e.key, e.created, e.kept = key, n.CreatedIndex, k
	e.seen[key] = struct{}{}
	return err
}

// look reads the line with a quorum and gives who is next before the entry. It finds
// the entry where its creation was not answered, and deletes others with its mark.
// Without any, e.kept is nil.
func (e *entry) look(ctx context.Context) (ahead, error) {
	nodes, index, err := e.line.list(ctx)
	if err != nil {
		return ahead{}, err
	}
	own := slices.IndexFunc(nodes, e.owns)
	switch {
	case own < 0 && e.kept == nil:
		return ahead{}, nil
	case own < 0:
		e.kept.lost(nil)
		return ahead{}, e.line.s.Err()
	}
	switch err := e.settle(ctx, nodes[own:]); {
	case errors.Is(err, errVanished):
		return e.look(ctx) // it is not in the line any more
	case err != nil:
		return ahead{}, err
	}
	before := ahead{index: index}
	if own > 0 {
		before.key = e.line.keyOf(nodes[own-1])
	}
	return before, nil
}

func (e *entry) owns(n *client.Node) bool { return strings.HasPrefix(n.Value, e.mark) }

// settle keeps the first node, which is the entry's, and deletes others of its mark.
func (e *entry) settle(ctx context.Context, nodes client.Nodes) error {
	s := e.line.s
	if key := e.line.keyOf(nodes[0]); e.kept == nil || e.key != key {
		// Nobody knows when it was written, so it counts from a renewal on.
		sent := time.Now()
		_, err := s.untilAnswered(ctx, func(ctx context.Context) (*client.Response, error) {
			sent = time.Now()
			return client.Refresh(ctx, s.kapi, key, s.ttl)
		})
		switch {
		case isGone(err):
			return errVanished
		case err != nil:
			return err
		}
		if err := e.take(nodes[0], sent); err != nil {
			return err
		}
	}
	for _, n := range nodes[1:] {
		if e.owns(n) {
			e.seen[e.line.keyOf(n)] = struct{}{}
			if err := s.remove(ctx, e.line.keyOf(n), ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// errVanished means that an entry was deleted before it was taken.
var errVanished = errors.New("concurrency: the entry was deleted by another")

// untilGone waits until the one ahead has left the line. Only the next one behind
// waits for it, so that nobody else is woken. After one TTL it is time to look
// again, for who has a KeysAPI whose watches don't always notice that they broke.
func (l *line) untilGone(ctx context.Context, before ahead) error {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, l.s.ttl)
	defer cancel()
	events := client.Events(ctx, l.s.kapi, before.key, &client.EventsOptions{AfterIndex: before.index})
	for event, err := range events {
		switch {
		case ctx.Err() != nil:
			return outer.Err()
		case err != nil:
			return err
		case event.IsDelete(), event.Kind == client.EventResync && event.Node == nil:
			return nil
		}
	}
	return outer.Err()
}

// list reads the line in its order, and gives the index from which to watch it.
func (l *line) list(ctx context.Context) (client.Nodes, uint64, error) {
	resp, err := l.s.untilAnswered(ctx, func(ctx context.Context) (*client.Response, error) {
		return l.s.kapi.Get(ctx, l.dir, &client.GetOptions{Quorum: true})
	})
	switch {
	case isRefusal(err, client.ErrorCodeKeyNotFound):
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	}
	return inOrder(resp.Node.Nodes), resp.ResumeIndex(), nil
}

// inOrder gives the entries among the nodes, the first one first.
func inOrder(nodes client.Nodes) client.Nodes {
	var entries client.Nodes
	for _, n := range nodes {
		if isEntry(n) {
			entries = append(entries, n)
		}
	}
	slices.SortFunc(entries, func(a, b *client.Node) int { return cmp.Compare(a.CreatedIndex, b.CreatedIndex) })
	return entries
}

// isEntry is true for what CreateInOrder makes. Anything else in the directory is
// nobody's place.
func isEntry(n *client.Node) bool {
	return !n.Dir && strings.Trim(path.Base(n.Key), "0123456789") == ""
}

// keyOf gives a node's key as the KeysAPI takes it, which for one with a prefix is
// not what the server calls it.
func (l *line) keyOf(n *client.Node) string { return l.dir + "/" + path.Base(n.Key) }

// leave deletes the entry, and is nil when that is proven. It tries until ctx ends
// or the TTL has passed, after which the server has deleted it.
func (e *entry) leave(ctx context.Context) error {
	s := e.line.s
	ctx, cancel := context.WithTimeoutCause(ctx, s.ttl, errNoAnswer)
	defer cancel()
	if e.kept != nil {
		e.kept.release()
	}
	if e.key != "" {
		if err := s.remove(ctx, e.key, ""); err != nil {
			return err
		}
	}
	missing := e.posts - len(e.seen)
	if missing <= 0 {
		return nil
	}
	found, err := e.removeAll(ctx)
	if missing -= found; err == nil && missing > 0 {
		e.awaitLate(missing)
	}
	return err
}

// removeAll deletes what the line has of the entry's mark.
func (e *entry) removeAll(ctx context.Context) (removed int, err error) {
	nodes, _, err := e.line.list(ctx)
	for _, n := range nodes {
		if err == nil && e.owns(n) {
			if err = e.line.s.remove(ctx, e.line.keyOf(n), ""); err == nil {
				removed++
			}
		}
	}
	return removed, err
}

// awaitLate has the keeper delete what is still missing, as soon as it comes:
// nobody renews it, but it would be in the way for one TTL.
func (e *entry) awaitLate(missing int) {
	e.awaited.Do(func() {
		over := time.Now().Add(longestLateness)
		e.line.s.later(e.line.dir, func(ctx context.Context) error {
			found, err := e.removeAll(ctx)
			missing -= found
			if err == nil && missing > 0 && time.Now().Before(over) {
				err = errAwaited
			}
			return err
		})
	})
}

// abandon leaves the line when ctx may have ended. What can't be done soon is left
// to the session's keeper.
func (e *entry) abandon(ctx context.Context) {
	if e.posts == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(e.line.s.callTimeout(), lastPause))
	defer cancel()
	if err := e.leave(ctx); err != nil {
		e.handOver()
	}
}

// handOver has the keeper delete the entry.
func (e *entry) handOver() {
	e.handed.Do(func() {
		key := e.key
		if key == "" {
			key = e.line.dir
		}
		e.line.s.later(key, e.leave)
	})
}
