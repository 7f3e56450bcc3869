package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
)

// A stage has a v2 server and the bridge, and plays scripts on both.
type stage struct {
	v2, bridge client.KeysAPI
	plays      int
	indexes    bool // the stores count alike, and their indexes are compared
}

// theEnd is the value by which watches know that all has been told.
const theEnd = "the end"

// play gives the first difference, or nothing. It plays below a root of its own, and
// leaves nothing there.
func (st *stage) play(ctx context.Context, s script) (string, error) {
	st.plays++
	p := &play{stage: st, ctx: ctx, root: fmt.Sprintf("/r%d", st.plays), renewed: map[string]bool{}, there: map[int]map[uint64]bool{}}
	if err := p.align(); err != nil {
		return "", err
	}
	difference, err := p.steps(s)
	if difference == "" && err == nil {
		difference, err = p.watches(s.Watches)
	}
	for _, kapi := range []client.KeysAPI{st.v2, st.bridge} {
		if _, removeErr := kapi.Delete(ctx, p.root, &client.DeleteOptions{Recursive: true}); removeErr != nil && !client.IsKeyNotFound(removeErr) {
			err = errors.Join(err, removeErr)
		}
	}
	return difference, err
}

type play struct {
	*stage
	ctx     context.Context
	root    string
	renewed map[string]bool         // keys whose createdIndex the bridge keeps
	there   map[int]map[uint64]bool // by watch and index: whether its key was there before
	after   []uint64                // by watch: the index at which it begins
}

// align brings both stores to the same index.
func (p *play) align() error {
	for range 100_000 {
		v2, err := p.v2.Get(p.ctx, "/", nil)
		if err != nil {
			return err
		}
		v3, err := p.bridge.Get(p.ctx, "/", &client.GetOptions{Quorum: true})
		if err != nil {
			return err
		}
		behind := p.v2
		switch {
		case v2.Index == v3.Index || !p.indexes:
			return nil
		case v3.Index < v2.Index:
			behind = p.bridge
		}
		if _, err = behind.Set(p.ctx, "/_padding", "", nil); err != nil {
			return err
		}
	}
	return errors.New("the indexes are too far from each other")
}

func (p *play) steps(s script) (string, error) {
	p.after = make([]uint64, len(s.Watches))
	index := uint64(0)
	for i, step := range s.Steps {
		if step.isDirUpdate() {
			if resp, err := p.v2.Get(p.ctx, under(p.root, step.Key), nil); err == nil && resp.Node.Dir {
				continue
			}
		}
		before := p.look(step, s.Watches)
		want, wantErr := step.do(p.ctx, p.v2, p.root)
		got, gotErr := step.do(p.ctx, p.bridge, p.root)
		if p.ctx.Err() != nil {
			return "", p.ctx.Err()
		}
		p.note(want)
		if diff := cmp.Diff(p.answerOf(want, wantErr), p.answerOf(got, gotErr)); diff != "" {
			return fmt.Sprintf("step %d, %s %s (-v2 +bridge):\n%s", i, step.Op, step.Key, diff), nil
		}
		if p.indexes {
			if diff := p.createdDiffers(want, got); diff != "" {
				return fmt.Sprintf("step %d, %s %s: %s", i, step.Op, step.Key, diff), nil
			}
		}
		if want != nil {
			index = want.Index
		}
		for w := range s.Watches {
			if min(s.Watches[w].After, len(s.Steps)-1) == i {
				p.after[w] = index
			}
			if want != nil && before != nil {
				if p.there[w] == nil {
					p.there[w] = map[uint64]bool{}
				}
				p.there[w][want.Index] = before[w]
			}
		}
	}
	return "", nil
}

// look notes which watched keys are there before a deletion.
func (p *play) look(s step, watches []watch) []bool {
	if s.Op != "delete" {
		return nil
	}
	there := make([]bool, len(watches))
	for i, w := range watches {
		_, err := p.v2.Get(p.ctx, under(p.root, w.Key), nil)
		there[i] = err == nil
	}
	return there
}

// note follows which nodes have another createdIndex in v3.
func (p *play) note(resp *client.Response) {
	if resp == nil || resp.Node == nil {
		return
	}
	switch key := resp.Node.Key; {
	case resp.Action == "delete" || resp.Action == "compareAndDelete":
		for known := range p.renewed {
			if known == key || strings.HasPrefix(known, key+"/") {
				delete(p.renewed, known)
			}
		}
	case resp.Action == "set" && resp.PrevNode != nil && !resp.PrevNode.Dir:
		p.renewed[key] = !resp.Node.Dir
	}
}

// An answer is what came of a call, in the form that is compared.
type answer struct {
	Action         string
	Node, PrevNode *client.Node
	Index          uint64
	Refusal        client.Error
	Other          string
}

func (p *play) answerOf(resp *client.Response, err error) answer {
	var a answer
	if resp != nil {
		a = answer{Action: resp.Action, Node: p.comparable(resp.Node), PrevNode: p.comparable(resp.PrevNode), Index: resp.Index}
	}
	if !errors.As(err, &a.Refusal) && err != nil {
		a.Other = err.Error()
	}
	a.Refusal.Endpoint = ""
	if !p.indexes {
		a.Index, a.Refusal.Index = 0, 0
		if a.Refusal.Code == client.ErrorCodeTestFailed {
			a.Refusal.Cause = ""
		}
	}
	return a
}

// comparable copies a node without what differs from moment to moment: the order of
// siblings that was not asked for, and times to the second.
func (p *play) comparable(n *client.Node) *client.Node {
	if n == nil {
		return nil
	}
	own := *n
	own.CreatedIndex = 0 // see createdDiffers
	if !p.indexes {
		own.ModifiedIndex = 0
	}
	own.TTL = (n.TTL + 1799) / 1800 // All TTLs end with a half of an hour.
	if n.Expiration != nil {
		at := time.Unix(0, 0)
		own.Expiration = &at
	}
	own.Nodes = nil
	for _, child := range n.Nodes {
		own.Nodes = append(own.Nodes, p.comparable(child))
	}
	slices.SortFunc(own.Nodes, func(a, b *client.Node) int { return strings.Compare(a.Key, b.Key) })
	return &own
}

func (p *play) createdDiffers(want, got *client.Response) string {
	if want == nil || want.Node == nil {
		return ""
	}
	for n := range want.Node.All() {
		for other := range got.Node.All() {
			if n.Key != other.Key || n.CreatedIndex == other.CreatedIndex || p.renewed[n.Key] && other.CreatedIndex < n.CreatedIndex {
				continue
			}
			return fmt.Sprintf("createdIndex of %s is %d, want %d", n.Key, other.CreatedIndex, n.CreatedIndex)
		}
	}
	return ""
}

// watches compares what each watch tells, up to an event that only ends it.
func (p *play) watches(watches []watch) (string, error) {
	for i, w := range watches {
		key := under(p.root, w.Key)
		w.Opts.AfterIndex = p.after[i]
		var told [2][]answer
		for side, kapi := range []client.KeysAPI{p.v2, p.bridge} {
			if _, err := kapi.Delete(p.ctx, p.root, &client.DeleteOptions{Recursive: true}); err != nil && !client.IsKeyNotFound(err) {
				return "", err
			}
			if _, err := kapi.Set(p.ctx, key, theEnd, nil); err != nil {
				return "", err
			}
			events, err := p.told(kapi.Watcher(key, &w.Opts), key, p.there[i])
			if err != nil {
				return "", fmt.Errorf("watch %d, side %d: %w", i, side, err)
			}
			told[side] = events
		}
		if diff := cmp.Diff(told[0], told[1]); diff != "" {
			return fmt.Sprintf("events of watch %d %+v (-v2 +bridge):\n%s", i, w, diff), nil
		}
	}
	return "", nil
}

// told reads the events of a watch to the end. To a watch that catches up, servers of
// v2 tell of the removal of directories in which its key was not.
func (p *play) told(w client.Watcher, key string, there map[uint64]bool) ([]answer, error) {
	var events []answer
	for {
		ev, err := w.Next(p.ctx)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(key, ev.Node.Key+"/") && ev.Node.Key != key {
			if was, known := there[ev.Node.ModifiedIndex]; known && !was || !known {
				continue
			}
		}
		a := p.answerOf(ev, nil)
		a.Index = 0 // When the watch was taken.
		switch a.Action {
		case "create", "update", "compareAndSwap":
			a.Action = "set"
		case "compareAndDelete":
			a.Action = "delete"
		}
		events = append(events, a)
		if ev.Node.Value == theEnd {
			return events, nil
		}
	}
}

// reduce cuts a script that shows a difference down to what shows one.
func (st *stage) reduce(ctx context.Context, s script, difference string) (script, string) {
	for size := len(s.Steps); size > 0; {
		smaller := false
		for at := 0; at+size <= len(s.Steps) && ctx.Err() == nil; {
			shorter := script{Steps: slices.Delete(slices.Clone(s.Steps), at, at+size), Watches: s.Watches}
			if diff, err := st.play(ctx, shorter); err == nil && diff != "" {
				s, difference, smaller = shorter, diff, true
				continue
			}
			at++
			if size > 1 {
				at += size - 1
			}
		}
		if !smaller || size > 1 {
			size /= 2
		}
	}
	return s, difference
}

// source prints a script as a test.
func source(s script) string {
	var b strings.Builder
	b.WriteString("func TestFound(t *testing.T) {\n\tplayOnce(t, script{\n\t\tSteps: []step{\n")
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "\t\t\t%s,\n", strings.TrimPrefix(strings.ReplaceAll(fmt.Sprintf("%#v", step), "bridge.step", ""), "bridge."))
	}
	b.WriteString("\t\t},\n\t\tWatches: []watch{\n")
	for _, w := range s.Watches {
		fmt.Fprintf(&b, "\t\t\t%s,\n", strings.TrimPrefix(fmt.Sprintf("%#v", w), "bridge.watch"))
	}
	b.WriteString("\t\t},\n\t})\n}\n")
	return b.String()
}

// mustAgree plays a script, and fails with the shortest one that shows a difference.
func (st *stage) mustAgree(ctx context.Context, t *testing.T, s script) {
	t.Helper()
	difference, err := st.play(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if difference != "" {
		least, said := st.reduce(ctx, s, difference)
		t.Fatalf("%s\n%s", said, source(least))
	}
}
