package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coreos/etcd/client"
)

// What is not compared as it is, and why. All else must be the same.
//
// Of all answers:
//   - ClusterID and Error.Endpoint: these are two clusters.
//   - The order of siblings, where Sort does not ask for one: that of v2 is random.
//   - TTLs, which are hours, and Expiration, to a quarter of an hour: time passes.
//
// Because of what package keysapi calls "not as in v2":
//   - CreatedIndex of a file that was set over a file: see variance.kept.
//   - Indexes after a refresh with the same TTL: see variance.stale. The bridge then
//     gets a write more, so that both stores go on counting alike.
//   - The event of a refresh with another TTL, which v2 has not: see play.told.
//   - The actions of events: see eventAction.
//   - Events of the removal of a directory in which the watched key was not, of which
//     v2 tells those who catch up: see play.told.
//   - The update of a directory, which etcd 3.5 answers with 500: see play.step. On
//     etcd 3.4, which keeps the ModifiedIndex, it is compared: see variance.stale.

// eventAction gives the word of the bridge for an action of v2.
func eventAction(action string) string {
	switch action {
	case "create", "update", "compareAndSwap":
		return "set"
	case "compareAndDelete":
		return "delete"
	}
	return action
}

// A variance has what the bridge says otherwise than v2, by key.
type variance struct {
	kept  map[string]uint64 // CreatedIndex of files that were set anew
	stale map[string]uint64 // ModifiedIndex of nodes that were refreshed, and of directories that were updated
}

func noVariance() variance { return variance{map[string]uint64{}, map[string]uint64{}} }

func (v variance) clone() variance { return variance{maps.Clone(v.kept), maps.Clone(v.stale)} }

// forget forgets a node, and what is below it.
func (v variance) forget(key string) {
	gone := func(known string, _ uint64) bool { return known == key || strings.HasPrefix(known, key+"/") }
	maps.DeleteFunc(v.kept, gone)
	maps.DeleteFunc(v.stale, gone)
}

// note takes a write that was done. There was the node in v2, nil for none.
func (v variance) note(s step, was *client.Node, want, got *client.Response) {
	overFile := was != nil && !was.Dir
	if want.Action == "set" && overFile && !s.Set.Dir && v.kept[s.Key] == 0 {
		v.kept[s.Key] = was.CreatedIndex
	}
	switch {
	case s.Op == "createInOrder": // the key is that of the directory
	case s.Op == "delete", want.Action == "create", want.Action == "set" && (!overFile || s.Set.Dir):
		v.forget(s.Key)
	case got.Index < want.Index:
		v.stale[s.Key] = cmp.Or(v.stale[s.Key], was.ModifiedIndex)
	case want.Action == "update" && was.Dir:
		v.stale[s.Key] = got.Index
	default:
		delete(v.stale, s.Key)
	}
}

// translate makes a node of v2 that of the bridge.
func (v variance) translate(n *client.Node) *client.Node {
	if n == nil {
		return nil
	}
	own := *n
	own.CreatedIndex, own.ModifiedIndex = cmp.Or(v.kept[n.Key], n.CreatedIndex), cmp.Or(v.stale[n.Key], n.ModifiedIndex)
	own.Nodes = nil
	for _, child := range n.Nodes {
		own.Nodes = append(own.Nodes, v.translate(child))
	}
	return &own
}

// refusal makes an error of v2 that of the bridge: the cause of a comparison that
// fails has the index of the node.
func (v variance) refusal(err error, was *client.Node) error {
	var refused client.Error
	if !errors.As(err, &refused) || was == nil || v.stale[was.Key] == 0 {
		return err
	}
	refused.Cause = strings.ReplaceAll(refused.Cause, fmt.Sprintf(" != %d]", was.ModifiedIndex), fmt.Sprintf(" != %d]", v.stale[was.Key]))
	return refused
}

// translated makes an answer or event of v2 that of the bridge.
func translated(resp *client.Response, before, after variance) *client.Response {
	if resp == nil {
		return nil
	}
	own := *resp
	own.Node, own.PrevNode = after.translate(resp.Node), before.translate(resp.PrevNode)
	if eventAction(resp.Action) == "delete" && resp.Node != nil {
		own.Node.CreatedIndex = own.PrevNode.CreatedIndex
	}
	return &own
}

// An answer is what came of a call, in the form that is compared.
type answer struct {
	Action         string
	Node, PrevNode []leveled
	Index          uint64
	Refusal        client.Error
	Other          string
}

// leveled is a node of a tree, which is written from top to bottom: package cmp takes
// twice as long for each level of a deep one.
type leveled struct {
	Level                       int
	Key, Value                  string
	Dir                         bool
	CreatedIndex, ModifiedIndex uint64
	HalfHours                   int64 // of the TTL; all are some
	Expiration                  string
}

func answerOf(resp *client.Response, err error, sorted bool) answer {
	var a answer
	if resp != nil {
		a = answer{Action: resp.Action, Index: resp.Index}
		a.Node, a.PrevNode = appendTree(nil, 0, resp.Node, sorted), appendTree(nil, 0, resp.PrevNode, sorted)
	}
	if !errors.As(err, &a.Refusal) && err != nil {
		a.Other = err.Error()
	}
	a.Refusal.Endpoint = ""
	return a
}

func (a answer) equal(b answer) bool {
	return a.Action == b.Action && a.Index == b.Index && a.Refusal == b.Refusal && a.Other == b.Other &&
		slices.Equal(a.Node, b.Node) && slices.Equal(a.PrevNode, b.PrevNode)
}

// appendTree writes a node and what is below it without what differs from moment to
// moment.
func appendTree(to []leveled, level int, n *client.Node, sorted bool) []leveled {
	if n == nil {
		return to
	}
	const quarter = 15 * time.Minute
	own := leveled{
		Level: level, Key: n.Key, Value: n.Value, Dir: n.Dir, CreatedIndex: n.CreatedIndex, ModifiedIndex: n.ModifiedIndex,
		HalfHours: int64((n.TTLDuration() + quarter) / (2 * quarter)),
	}
	if n.Expiration != nil {
		own.Expiration = "as the TTL says"
		if left := time.Until(*n.Expiration) - n.TTLDuration(); left < -quarter || left > quarter {
			own.Expiration = n.Expiration.String()
		}
	}
	to = append(to, own)
	children := n.Nodes
	if !sorted {
		children = slices.SortedFunc(slices.Values(n.Nodes), func(a, b *client.Node) int { return strings.Compare(a.Key, b.Key) })
	}
	for _, child := range children {
		to = appendTree(to, level+1, child, sorted)
	}
	return to
}
