package integration

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// A registerCall is one call on a register.
type registerCall struct {
	op    string // get, set, swap or create
	key   string
	prev  string // swap only
	value string // set, swap and create
}

// A registerReply is what the caller was told.
type registerReply struct {
	unknown bool   // it may have happened, now, later or never
	refused bool   // a swap that failed for the value, or a create for the existing key
	value   string // what was there: of get, and of a refused swap
}

// register is a key with a value, "" while there is none.
func register() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, o := range history {
				key := o.Input.(registerCall).key
				byKey[key] = append(byKey[key], o)
			}
			parts := make([][]porcupine.Operation, 0, len(byKey))
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			return step(state.(string), input.(registerCall), output.(registerReply))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	}
}

// step tells whether the reply to the call is right in this state, and the next
// state.
func step(state string, call registerCall, reply registerReply) (ok bool, next string) {
	switch call.op {
	case "get":
		return reply.value == state, state
	case "set":
		return true, call.value
	}
	applies := call.op == "swap" && state == call.prev || call.op == "create" && state == ""
	switch {
	case reply.unknown && !applies:
		return true, state
	case reply.unknown:
		return true, call.value
	case reply.refused:
		return !applies && (call.op == "create" || reply.value == state), state
	default:
		return applies, call.value
	}
}

// history is what several callers did.
type history struct {
	start time.Time

	mu         sync.Mutex // guards the fields below
	operations []porcupine.Operation
	calls      int
	unknown    int
	longest    time.Duration
}

// add notes an operation. One whose outcome is unknown may take effect at any
// time from its call on.
func (h *history) add(caller int, call registerCall, reply registerReply, from, to time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	h.longest = max(h.longest, to-from)
	if reply.unknown {
		h.unknown++
		if call.op == "get" {
			return // It changes nothing.
		}
		to = math.MaxInt64
	}
	h.operations = append(h.operations, porcupine.Operation{ClientId: caller, Input: call, Call: int64(from), Output: reply, Return: int64(to)})
}

// relevant leaves out the sets and swaps of unknown outcome whose value nobody
// has seen: values are unique, and these keys exist from the beginning, so the
// history is right with them where it is right without.
func (h *history) relevant() []porcupine.Operation {
	seen := map[string]bool{}
	for _, o := range h.operations {
		call, reply := o.Input.(registerCall), o.Output.(registerReply)
		seen[reply.value] = true
		if call.op == "swap" && !reply.unknown && !reply.refused {
			seen[call.prev] = true
		}
	}
	// What swapped a value that was seen is seen by that as well; what is only
	// the premise of an unknown swap is, too, when that swap's value was seen.
	for changed := true; changed; {
		changed = false
		for _, o := range h.operations {
			call := o.Input.(registerCall)
			if call.op == "swap" && seen[call.value] && !seen[call.prev] {
				seen[call.prev], changed = true, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(h.operations), func(o porcupine.Operation) bool {
		call := o.Input.(registerCall)
		return o.Output.(registerReply).unknown && call.op != "create" && !seen[call.value]
	})
}

// A registerCaller makes calls and writes down what it was told.
type registerCaller struct {
	id   int
	kapi client.KeysAPI
	h    *history
	n    int
	last map[string]string // by key: the value it saw last
}

// next chooses a call: on one of the registers, or on a key that several callers
// try to create.
func (r *registerCaller) next() registerCall {
	r.n++
	call := registerCall{key: registers()[rand.IntN(3)], value: fmt.Sprintf("%d.%d", r.id, r.n)}
	switch call.prev = r.last[call.key]; rand.IntN(8) {
	case 0:
		call.op, call.key = "create", r.h.contested()
	case 1:
		call.op, call.key = "get", r.h.contested()
	case 2, 3:
		call.op = "get"
	case 4:
		call.op = "set"
	default:
		if call.op = "swap"; call.prev == "" {
			call.op = "set"
		}
	}
	return call
}

// registers are the keys that exist from the beginning.
func registers() []string { return []string{"/register-a", "/register-b", "/register-c"} }

// contested is a key that is another one ten times a second.
func (h *history) contested() string {
	return fmt.Sprintf("/contested-%d", time.Since(h.start)/(100*time.Millisecond))
}

// call makes one call, with a deadline of 3 s, and notes it.
func (r *registerCaller) call(ctx context.Context, call registerCall) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	from := time.Since(r.h.start)
	resp, err := r.send(ctx, call)
	to := time.Since(r.h.start)
	reply, err := replyTo(call, resp, err)
	if err != nil {
		return fmt.Errorf("%+v: %w", call, err)
	}
	switch {
	case reply.unknown:
	case reply.value != "":
		r.last[call.key] = reply.value
	case !reply.refused:
		r.last[call.key] = call.value
	}
	r.h.add(r.id, call, reply, from, to)
	return nil
}

func (r *registerCaller) send(ctx context.Context, call registerCall) (*client.Response, error) {
	switch call.op {
	case "get":
		return r.kapi.Get(ctx, call.key, &client.GetOptions{Quorum: true})
	case "swap":
		return r.kapi.Set(ctx, call.key, call.value, &client.SetOptions{PrevValue: call.prev})
	case "create":
		return r.kapi.Create(ctx, call.key, call.value)
	default:
		return r.kapi.Set(ctx, call.key, call.value, nil)
	}
}

// replyTo says what the caller was told; the error is what no call may end with.
func replyTo(call registerCall, resp *client.Response, err error) (registerReply, error) {
	var etcdErr client.Error
	switch {
	case err == nil && call.op == "get":
		return registerReply{value: resp.Node.Value}, nil
	case err == nil:
		return registerReply{}, nil
	case call.op == "get" && client.IsKeyNotFound(err):
		return registerReply{}, nil
	case call.op == "create" && client.IsNodeExist(err):
		return registerReply{refused: true}, nil
	case call.op == "swap" && errors.As(err, &etcdErr) && etcdErr.Code == client.ErrorCodeTestFailed:
		// The cause is "[prev != actual]".
		_, actual, found := strings.Cut(strings.Trim(etcdErr.Cause, "[]"), " != ")
		if !found {
			return registerReply{}, fmt.Errorf("cause %q: %w", etcdErr.Cause, err)
		}
		return registerReply{refused: true, value: actual}, nil
	case isBare(err, context.DeadlineExceeded), errors.Is(err, client.ErrOutcomeUnknown):
		return registerReply{unknown: true}, nil
	case errors.Is(err, client.ErrClusterUnavailable):
		// It says that nothing was sent. Were that untrue, what it did would be
		// seen; let the checker find out.
		return registerReply{unknown: true}, nil
	default:
		return registerReply{}, err
	}
}

// trouble makes one fault after the other, one member at a time.
func trouble(t *testing.T, c *harness.Cluster, span time.Duration) {
	t.Helper()
	lose := func(m *harness.Member) {
		m.Proxy().Inject(
			harness.Fault{Kind: harness.LoseAnswer, Match: harness.Match{Method: http.MethodPut, Path: "/v2"}, Count: 5},
			harness.Fault{Kind: harness.ResetBeforeHeaders, Match: harness.Match{Path: "/v2"}, Count: 5},
			harness.Fault{Kind: harness.ResetMidBody, Match: harness.Match{Path: "/v2"}, Count: 5},
			harness.Fault{Kind: harness.Slow, Match: harness.Match{Path: "/v2"}, Count: 5, Delay: 200 * time.Millisecond},
			harness.Fault{Kind: harness.Stall, Match: harness.Match{Path: "/v2"}, Count: 2},
		)
		pause(time.Second)
		m.Proxy().Clear()
	}
	faults := []func(m *harness.Member){
		lose,
		func(m *harness.Member) { m.Kill(); pause(time.Second); check(t, m.Restart(t.Context())) },
		lose,
		func(m *harness.Member) { check(t, m.Stop()); pause(2 * time.Second); check(t, m.Cont()) },
		lose,
		func(m *harness.Member) { check(t, c.Partition(m)); pause(2 * time.Second); c.Heal() },
	}
	end := time.Now().Add(span)
	for i := 0; time.Now().Before(end); i++ {
		m := c.Member(rand.IntN(3))
		faults[i%len(faults)](m)
		pause(300 * time.Millisecond)
	}
	check(t, c.WaitHealthy(t.Context()))
}

func TestHistoriesUnderFaultsAreLinearizable(t *testing.T) {
	const (
		callers = 5
		span    = 15 * time.Second
		checked = time.Minute
	)
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		h, stop := &history{start: time.Now()}, make(chan struct{})
		var wg sync.WaitGroup
		first := &registerCaller{id: callers, kapi: freshKeys(t, c), h: h, last: map[string]string{}}
		for _, key := range registers() {
			check(t, first.call(t.Context(), registerCall{op: "set", key: key, value: "first of " + key}))
		}
		for i := range callers {
			r := &registerCaller{id: i, h: h, last: map[string]string{}}
			r.kapi = freshKeys(t, c, func(cfg *client.Config) { cfg.StrictWrites = true })
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := r.call(t.Context(), r.next()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		trouble(t, c, span)
		close(stop)
		wg.Wait()
		t.Logf("%d calls, %d of unknown outcome, the longest took %v", h.calls, h.unknown, h.longest)
		var result porcupine.CheckResult
		took := timed(func() { result = porcupine.CheckOperationsTimeout(register(), h.relevant(), checked) })
		t.Logf("checked in %v", took)
		if result != porcupine.Ok {
			t.Errorf("the history of %d operations is %s", len(h.operations), result)
		}
	})
}
