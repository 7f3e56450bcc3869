package bridge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/coreos/etcd/client"
)

// A script is what both stores are asked for. It is plain data, so that it can be cut
// down and printed.
type script struct {
	Steps   []step
	Watches []watch
}

// A step is one call. Keys are below /r.
type step struct {
	Op         string // get, set, delete or createInOrder
	Key, Value string
	Get        client.GetOptions
	Set        client.SetOptions
	Delete     client.DeleteOptions
	TTL        time.Duration // of createInOrder
	AtIndex    bool          // PrevIndex is that of the node
}

// A watch begins before a step, and reads to the end.
type watch struct {
	Key  string
	At   int
	Opts client.WatcherOptions
}

// do gives the step to a store whose tree is below root.
func (s step) do(ctx context.Context, kapi client.KeysAPI, root string) (*client.Response, error) {
	key := under(root, s.Key)
	if s.AtIndex {
		if resp, err := kapi.Get(ctx, key, nil); err == nil {
			s.Set.PrevIndex, s.Delete.PrevIndex = resp.Node.ModifiedIndex, resp.Node.ModifiedIndex
		}
	}
	switch s.Op {
	case "get":
		return kapi.Get(ctx, key, &s.Get)
	case "set":
		return kapi.Set(ctx, key, s.Value, &s.Set)
	case "delete":
		return kapi.Delete(ctx, key, &s.Delete)
	case "createInOrder":
		return kapi.CreateInOrder(ctx, key, s.Value, &client.CreateInOrderOptions{TTL: s.TTL})
	}
	return nil, fmt.Errorf("there is no operation %q", s.Op)
}

// under puts a key of a script below root in place of /r.
func under(root, key string) string { return strings.Replace(key, "/r", root, 1) }

// isDirUpdate reports whether a server of v2 may fail: etcd 3.5 answers the update of
// a directory with 500, which is told as a difference.
func (s step) isDirUpdate() bool {
	return s.Op == "set" && s.Set.PrevExist == client.PrevExist && s.Value == "" && s.Set.PrevValue == ""
}

// A writer makes scripts up.
type writer struct {
	*rand.Rand
	ttls bool // give nodes times to live, which are long, and refresh them
}

func (w writer) script(steps, watches int) script {
	var s script
	for range steps {
		s.Steps = append(s.Steps, w.step())
	}
	for range watches {
		s.Watches = append(s.Watches, watch{
			Key: w.keyBelow(), At: w.IntN(steps), Opts: client.WatcherOptions{Recursive: w.oneIn(2)},
		})
	}
	return s
}

func (w writer) oneIn(n int) bool { return w.IntN(n) == 0 }

func pick[T any](w writer, from ...T) T { return from[w.IntN(len(from))] }

// key gives one below /r, or now and then the root.
func (w writer) key() string {
	if w.oneIn(40) {
		return pick(w, "/", "//r//a/", "")
	}
	return w.keyBelow()
}

func (w writer) keyBelow() string {
	var key strings.Builder
	key.WriteString("/r")
	for range 1 + w.IntN(4) {
		if w.oneIn(10) {
			key.WriteString("/_h")
		} else {
			key.WriteString("/" + pick(w, "a", "a", "a", "a", "b", "b", "a-b", "a0", "ab", "a b", "ä%"))
		}
	}
	return key.String()
}

func (w writer) step() step {
	s := step{Key: w.key(), Value: pick(w, "", "v", "w")}
	switch w.IntN(12) {
	case 0, 1:
		s.Op, s.Get = "get", client.GetOptions{Recursive: w.oneIn(2), Sort: w.oneIn(2), Quorum: true}
	case 2, 3, 4, 5, 6, 7, 8:
		s.Op, s.Set = "set", w.setOptions(&s)
	case 9:
		s.Op = "createInOrder"
		if w.ttls { // The names are indexes, which a refresh changes in one store only.
			s.Op = "get"
		}
	default:
		s.Op, s.Delete = "delete", client.DeleteOptions{Recursive: w.oneIn(4), Dir: w.oneIn(2)}
		if w.oneIn(2) {
			s.Delete.PrevValue, s.Delete.PrevIndex, s.AtIndex = w.condition()
		}
	}
	return s
}

func (w writer) condition() (value string, index uint64, atIndex bool) {
	return pick(w, "", "", "v", "w"), pick[uint64](w, 0, 0, 0, 7), w.oneIn(2)
}

func (w writer) setOptions(s *step) client.SetOptions {
	o := client.SetOptions{
		PrevExist: pick(w, client.PrevIgnore, client.PrevIgnore, client.PrevIgnore, client.PrevExist, client.PrevNoExist),
		Dir:       w.oneIn(4), NoValueOnSuccess: w.oneIn(9),
	}
	if w.oneIn(3) {
		o.PrevValue, o.PrevIndex, s.AtIndex = w.condition()
	}
	if w.ttls && w.oneIn(2) {
		o.TTL = pick(w, time.Hour, 2*time.Hour, 90*time.Minute+time.Millisecond)
		o.Refresh = w.oneIn(2)
		o.Dir = o.Dir && !o.Refresh
	}
	if (o.Dir || o.Refresh) && !w.oneIn(20) {
		s.Value = ""
	}
	return o
}
