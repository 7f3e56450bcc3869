package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
)

// A stage has a v2 server and the bridge, and plays scripts on both.
type stage struct {
	*testing.T
	ctx context.Context

	v2, bridge client.KeysAPI
	plays      int
	indexes    bool // the stores count alike, and their indexes are compared
}

// theEnd is the value by which watches know that all has been told.
const theEnd = "the end"

// reduceTimeout is how long a script that fails is cut down.
const reduceTimeout = time.Minute

// playTimeout bounds one script of 100 calls, which takes half a second.
const playTimeout = 30 * time.Second

// play gives the first difference, or nothing. It plays below a root of its own, and
// leaves nothing there.
func (st *stage) play(ctx context.Context, s script) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, playTimeout)
	defer cancel()
	st.plays++
	p := &play{stage: st, ctx: ctx, root: fmt.Sprintf("/r%d", st.plays), renewed: map[string]bool{}, there: map[int]map[uint64]bool{}}
	index, err := p.align()
	if err != nil {
		return "", err
	}
	difference, err := p.steps(s, index)
	if difference == "" && err == nil {
		difference, err = p.watches(s.Watches)
	}
	return difference, errors.Join(err, removeAll(ctx, st.v2), removeAll(ctx, st.bridge))
}

// removeAll removes what scripts have left, the root's children of CreateInOrder too.
func removeAll(ctx context.Context, kapi client.KeysAPI) error {
	root, err := kapi.Get(ctx, "/", &client.GetOptions{Quorum: true})
	if err != nil {
		return err
	}
	for _, n := range root.Node.Nodes {
		if _, err = kapi.Delete(ctx, n.Key, &client.DeleteOptions{Recursive: true}); err != nil {
			return err
		}
	}
	return nil
}

type play struct {
	*stage
	ctx     context.Context
	root    string
	renewed map[string]bool         // keys whose createdIndex the bridge keeps
	there   map[int]map[uint64]bool // by watch and index: whether its key was there before
	after   []uint64                // by watch: the index at which it begins
}

// align brings both stores to the same index, and gives that of v2.
func (p *play) align() (uint64, error) {
	for range 100_000 {
		v2, err := p.v2.Get(p.ctx, "/", nil)
		if err != nil {
			return 0, err
		}
		v3, err := p.bridge.Get(p.ctx, "/", &client.GetOptions{Quorum: true})
		if err != nil {
			return 0, err
		}
		behind := p.v2
		switch {
		case v2.Index == v3.Index || !p.indexes:
			return v2.Index, nil
		case v3.Index < v2.Index:
			behind = p.bridge
		}
		if _, err = behind.Set(p.ctx, "/_padding", "", nil); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("the indexes are too far from each other")
}

func (p *play) steps(s script, index uint64) (string, error) {
	p.after = slices.Repeat([]uint64{index}, len(s.Watches))
	for i, step := range s.Steps {
		for w := range s.Watches {
			if s.Watches[w].At >= i {
				p.after[w] = index
			}
		}
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
		if diff := cmp.Diff(p.answerOf(want, wantErr), p.answerOf(got, gotErr)); diff != "" {
			return fmt.Sprintf("step %d, %s %s (-v2 +bridge):\n%s", i, step.Op, step.Key, diff), nil
		}
		key := under(p.root, step.Key)
		if want != nil && want.Action == "set" {
			p.renewed[key] = !step.Set.Dir // The bridge keeps its createdIndex.
		}
		if p.indexes {
			if diff := p.createdDiffers(want, got); diff != "" {
				return fmt.Sprintf("step %d, %s %s: %s", i, step.Op, step.Key, diff), nil
			}
		}
		if want != nil && step.Op == "delete" {
			maps.DeleteFunc(p.renewed, func(known string, _ bool) bool { return known == key || strings.HasPrefix(known, key+"/") })
		}
		if want != nil {
			index = want.Index
		}
		for w := range s.Watches {
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
	ctx, cancel := context.WithTimeout(ctx, reduceTimeout)
	defer cancel()
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
		fmt.Fprintf(&b, "\t\t\t%s,\n", literal(step))
	}
	b.WriteString("\t\t},\n\t\tWatches: []watch{\n")
	for _, w := range s.Watches {
		fmt.Fprintf(&b, "\t\t\t%s,\n", literal(w))
	}
	b.WriteString("\t\t},\n\t})\n}\n")
	return b.String()
}

// literal writes an element of a slice, without the fields that are zero.
func literal(v any) string {
	_, fields, _ := strings.Cut(fmt.Sprintf("%#v", v), "{") // without the name of the type
	text := "{" + fields
	for _, zero := range []string{`\b\w+:(""|0x0|0|false)(, |\})`, `\b\w+:client\.\w+\{\}(, |\})`} {
		text = regexp.MustCompile(zero).ReplaceAllStringFunc(text, func(field string) string {
			if strings.HasSuffix(field, ", ") {
				return ""
			}
			return "}"
		})
	}
	return strings.ReplaceAll(text, ", }", "}")
}

// mustAgree plays a script, and fails with the shortest one that shows a difference.
func (st *stage) mustAgree(s script) {
	st.Helper()
	difference, err := st.play(st.ctx, s)
	if err != nil {
		st.Fatal(err)
	}
	if difference != "" {
		least, said := st.reduce(st.ctx, s, difference)
		st.Fatalf("%s\n%s", said, source(least))
	}
}
