package bridge

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
)

// A stage has a v2 server and the bridge, and plays scripts on both.
type stage struct {
	testing.TB
	ctx context.Context

	v2, bridge client.KeysAPI
	number     uint64 // of the server
	dirUpdates bool   // the v2 server updates directories
	plays      int
	calls      int // that were compared
	events     int // that were compared
}

// theEnd is the value by which watches know that all has been told.
const theEnd = "the end"

// playTimeout bounds one script of 100 calls, which takes half a second.
const playTimeout = 60 * time.Second

// play gives the first difference, or nothing. It plays below a root of its own, and
// leaves nothing there.
func (st *stage) play(ctx context.Context, s script) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, playTimeout)
	defer cancel()
	st.plays++
	p := &play{
		stage: st, ctx: ctx, root: fmt.Sprintf("/r%d", st.plays), watches: s.Watches,
		variance: noVariance(), at: map[uint64]moment{}, from: make([]uint64, len(s.Watches)),
	}
	if err := p.align(); err != nil {
		return "", err
	}
	for i := range p.from {
		p.from[i] = p.index // also of a script without steps
	}
	difference, err := p.script(s)
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

// A play is a script under way.
type play struct {
	*stage
	ctx     context.Context
	root    string // in place of /r
	watches []watch

	index    uint64 // of both stores
	name     string // the last of CreateInOrder
	variance variance
	at       map[uint64]moment // by the index of a write
	from     []uint64          // by watch: the index after which it begins
}

// A moment is a write that was done.
type moment struct {
	before, after variance
	there         []bool // by watch: whether its key was there before, if it was the deletion of a directory
	refresh       bool
}

// align brings both stores to the same index.
func (p *play) align() error {
	for range 100_000 {
		v2, err := p.v2.Get(p.ctx, "/", nil)
		if err != nil {
			return err
		}
		bridge, err := p.bridge.Get(p.ctx, "/", &client.GetOptions{Quorum: true})
		if err != nil {
			return err
		}
		behind := p.v2
		switch {
		case v2.Index == bridge.Index:
			p.index = v2.Index
			return nil
		case bridge.Index < v2.Index:
			behind = p.bridge
		}
		if _, err = behind.Set(p.ctx, "/_padding", "", nil); err != nil {
			return err
		}
	}
	return errors.New("the indexes are too far from each other")
}

func (p *play) script(s script) (string, error) {
	for i, step := range s.Steps {
		for w := range s.Watches {
			if s.Watches[w].At >= i {
				p.from[w] = p.index
			}
		}
		if difference, err := p.step(step); difference != "" || err != nil {
			return fmt.Sprintf("step %d, %s", i, difference), err
		}
	}
	for i, w := range s.Watches {
		if difference, err := p.watch(i, w); difference != "" || err != nil {
			return fmt.Sprintf("watch %d %+v: %s", i, w, difference), err
		}
	}
	return "", nil
}

// step gives both stores a call, and says how the answers differ.
func (p *play) step(s step) (string, error) {
	s.Key = p.key(s.Key)
	var was *client.Node
	if s.Op == "set" || s.Op == "update" || s.Op == "delete" {
		was = p.look(s.Key)
	}
	if s.updatesDirs() && was != nil && was.Dir && !p.dirUpdates {
		return "", nil
	}
	var there []bool
	if s.Op == "delete" && was != nil && was.Dir {
		for _, w := range p.watches {
			there = append(there, p.look(p.key(w.Key)) != nil)
		}
	}
	want, wantErr := s.do(p.ctx, p.v2)
	got, gotErr := s.do(p.ctx, p.bridge)
	if p.ctx.Err() != nil {
		return "", p.ctx.Err()
	}
	before := p.variance.clone()
	s.Key = path.Clean("/" + s.Key)
	wrote := want != nil && got != nil && want.Action != "get"
	if wrote {
		p.variance.note(s, was, want, got)
	}
	expected := translated(want, before, p.variance)
	wantErr = before.refusal(wantErr, was)
	unmoved := wrote && s.isRefresh() && got.Index+1 == want.Index
	if unmoved {
		expected.Index = got.Index
	}
	p.calls++
	if v2, bridge := answerOf(expected, wantErr, s.Get.Sort), answerOf(got, gotErr, s.Get.Sort); !v2.equal(bridge) {
		return fmt.Sprintf("%s %s (-v2 +bridge):\n%s", s.Op, s.Key, cmp.Diff(v2, bridge)), nil
	}
	if !wrote {
		return "", nil
	}
	p.index = want.Index
	p.at[p.index] = moment{before: before, after: p.variance.clone(), there: there, refresh: s.isRefresh()}
	if s.Op == "createInOrder" {
		p.name = path.Base(want.Node.Key)
	}
	if unmoved {
		if _, err := p.bridge.Set(p.ctx, "/_padding", "", nil); err != nil {
			return "", err
		}
	}
	return "", nil
}

// key puts the root and the last name in order into a key of a script.
func (p *play) key(key string) string {
	key = strings.Replace(key, "/r", p.root, 1)
	if p.name != "" {
		key = strings.ReplaceAll(key, "#", p.name)
	}
	return key
}

// look gives the node that v2 has, or nil.
func (p *play) look(key string) *client.Node {
	resp, err := p.v2.Get(p.ctx, key, nil)
	if err != nil {
		return nil
	}
	return resp.Node
}

// watch compares what a watch tells, up to an event that only ends it.
func (p *play) watch(i int, w watch) (string, error) {
	w.Opts.AfterIndex = p.from[i]
	for _, last := range []step{
		{Op: "delete", Key: "/r", Delete: client.DeleteOptions{Recursive: true}},
		{Op: "set", Key: w.Key, Value: theEnd},
	} {
		if difference, err := p.step(last); difference != "" || err != nil {
			return difference, err
		}
	}
	w.Key = p.key(w.Key)
	want, err := p.told(p.v2, i, w)
	if err != nil {
		return "", fmt.Errorf("v2, watch %d: %w", i, err)
	}
	got, err := p.told(p.bridge, i, w)
	if err != nil {
		return "", fmt.Errorf("bridge, watch %d: %w", i, err)
	}
	p.events += len(want)
	if !slices.EqualFunc(want, got, answer.equal) {
		return "(-v2 +bridge):\n" + cmp.Diff(want, got), nil
	}
	return "", nil
}

// told reads the events of a watch to the end.
func (p *play) told(kapi client.KeysAPI, i int, w watch) ([]answer, error) {
	var events []answer
	watcher := kapi.Watcher(w.Key, &w.Opts)
	for {
		ev, err := watcher.Next(p.ctx)
		if err != nil {
			return nil, err
		}
		at := p.at[ev.Node.ModifiedIndex]
		if kapi == p.v2 {
			// To a watch that catches up, v2 tells of the removal of directories in which
			// its key was not.
			if strings.HasPrefix(w.Key, ev.Node.Key+"/") && !at.there[i] {
				continue
			}
			ev = translated(ev, at.before, at.after)
		} else if at.refresh {
			continue
		}
		a := answerOf(ev, nil, false)
		a.Action = eventAction(a.Action)
		events = append(events, a)
		if ev.Node.Value == theEnd {
			return events, nil
		}
	}
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
