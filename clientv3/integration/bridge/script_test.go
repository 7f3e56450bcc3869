package bridge

import (
	"context"
	"fmt"
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

// A step is one call. Keys are below /r, and their element # stands for the last name
// of CreateInOrder. The value longText stands for a long one.
type step struct {
	Op         string // get, set, create, update, delete or createInOrder
	Key, Value string
	Get        client.GetOptions
	Set        client.SetOptions
	Delete     client.DeleteOptions
	TTL        time.Duration // of createInOrder
	AtIndex    bool          // PrevIndex is that of the node
}

const longText = "long"

// A watch begins before a step, and reads to the end.
type watch struct {
	Key  string
	At   int
	Opts client.WatcherOptions
}

// do gives the step to a store. Options that change nothing are nil.
func (s step) do(ctx context.Context, kapi client.KeysAPI) (*client.Response, error) {
	if s.AtIndex {
		if resp, err := kapi.Get(ctx, s.Key, nil); err == nil {
			s.Set.PrevIndex, s.Delete.PrevIndex = resp.Node.ModifiedIndex, resp.Node.ModifiedIndex
		}
	}
	if s.Value == longText {
		s.Value = strings.Repeat(longText, 1<<10)
	}
	switch s.Op {
	case "get":
		return kapi.Get(ctx, s.Key, unlessZero(s.Get))
	case "set":
		return kapi.Set(ctx, s.Key, s.Value, unlessZero(s.Set))
	case "create":
		return kapi.Create(ctx, s.Key, s.Value)
	case "update":
		return kapi.Update(ctx, s.Key, s.Value)
	case "delete":
		return kapi.Delete(ctx, s.Key, unlessZero(s.Delete))
	case "createInOrder":
		return kapi.CreateInOrder(ctx, s.Key, s.Value, unlessZero(client.CreateInOrderOptions{TTL: s.TTL}))
	}
	return nil, fmt.Errorf("there is no operation %q", s.Op)
}

func unlessZero[T comparable](options T) *T {
	var zero T
	if options == zero {
		return nil
	}
	return &options
}

// isRefresh reports whether the step is to renew a TTL only; to create comes before.
func (s step) isRefresh() bool {
	return s.Op == "set" && s.Set.Refresh && s.Set.PrevExist != client.PrevNoExist
}

// updatesDirs reports whether the step, on a directory, is an update.
func (s step) updatesDirs() bool {
	return s.Value == "" && (s.Op == "update" || s.Op == "set" && s.Set.PrevExist == client.PrevExist && s.Set.PrevValue == "" && s.Set.PrevIndex == 0 && !s.AtIndex)
}

// choices are what a writer goes by: numbers from zero up to n, without n.
type choices interface{ IntN(n int) int }

// A writer makes scripts up.
type writer struct{ choices }

func (w writer) script(steps, watches int) script {
	var s script
	for range watches {
		s.Watches = append(s.Watches, w.watch(steps))
	}
	for range steps {
		s.Steps = append(s.Steps, w.step())
	}
	return s
}

func (w writer) watch(steps int) watch {
	key := pick(w, "/r", "/r/a", "/r/_h", "", "", "")
	if key == "" {
		key = w.keyBelow()
	}
	return watch{Key: key, At: w.IntN(steps), Opts: client.WatcherOptions{Recursive: w.oneIn(2), Hidden: w.oneIn(3)}}
}

// oneIn is not so where all choices are zero.
func (w writer) oneIn(n int) bool { return w.IntN(n) == n-1 }

func pick[T any](w writer, from ...T) T { return from[w.IntN(len(from))] }

// key gives one below /r, or now and then another.
func (w writer) key() string {
	if w.oneIn(40) {
		return pick(w, "/", "//r//a/", "", "/r", "/r/a/../b", "/r"+strings.Repeat("/deep", 25))
	}
	return w.keyBelow()
}

func (w writer) keyBelow() string {
	var key strings.Builder
	key.WriteString("/r")
	for range 1 + w.IntN(4) {
		key.WriteString("/" + pick(w, "a", "a", "a", "a", "a", "a", "a", "b", "b", "b", "b", "a-b", "a0", "ab", "a b", "ä%", "#", "_h", "_h", "00000000000000000001"))
	}
	return key.String()
}

func (w writer) value() string {
	return pick(w, "v", "w", "", "v", "w", "", "v", "w", longText, "ä &=%+;\n\t\"\\\u2028<>")
}

// ttl gives a time to live that does not end while the script is played.
func (w writer) ttl() time.Duration {
	return pick(w, time.Hour, 2*time.Hour, 90*time.Minute+time.Millisecond)
}

func (w writer) step() step {
	s := step{Key: w.key(), Value: w.value()}
	switch w.IntN(24) {
	case 0, 1, 2, 3:
		s.Op, s.Value, s.Get = "get", "", client.GetOptions{Recursive: w.oneIn(2), Sort: w.oneIn(2), Quorum: w.oneIn(2)}
	case 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15:
		s.Op, s.Set = "set", w.setOptions(&s)
	case 16:
		s.Op = "create"
	case 17:
		s.Op = "update"
	case 18, 19:
		s.Op = "createInOrder"
		if w.oneIn(3) {
			s.TTL = w.ttl()
		}
	default:
		s.Op, s.Value, s.Delete = "delete", "", client.DeleteOptions{Recursive: w.oneIn(4), Dir: w.oneIn(2)}
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
	if w.oneIn(3) {
		o.TTL = w.ttl()
	}
	if w.oneIn(5) {
		o.Refresh, o.Dir = true, false
		if !w.oneIn(20) {
			o.TTL = w.ttl()
		}
	}
	if (o.Dir || o.Refresh) && !w.oneIn(20) {
		s.Value = ""
	}
	return o
}
