package integration

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/coreos/etcd/clientv3"
)

// A registerCall is one call on a register.
type registerCall struct {
	op    string // get, put or swap
	key   string
	prev  string // swap only
	value string // put and swap
}

// A registerReply is what the caller was told.
type registerReply struct {
	unknown bool   // it may have happened, now, later or never
	refused bool   // a swap that failed for the value
	value   string // what was there: of get, and of a refused swap
}

// registerModel is a key with a value.
func registerModel() porcupine.Model {
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
			return registerStep(state.(string), input.(registerCall), output.(registerReply))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	}
}

// registerStep tells whether the reply to the call is right in this state, and the next
// state.
func registerStep(state string, call registerCall, reply registerReply) (ok bool, next string) {
	switch {
	case call.op == "get":
		return reply.value == state, state
	case call.op == "put":
		return true, call.value
	case reply.unknown && state != call.prev:
		return true, state
	case reply.unknown:
		return true, call.value
	case reply.refused:
		return state != call.prev && reply.value == state, state
	default:
		return state == call.prev, call.value
	}
}

// registers are some keys and what several callers did with them.
type registers struct {
	began time.Time

	mu         sync.Mutex // guards the fields below
	operations []porcupine.Operation
	unknown    int
}

func newRegisters() *registers { return &registers{began: time.Now()} }

// start starts callers, each with a client of its own.
func (r *registers) start(l *load) {
	l.Helper()
	for id := range 4 {
		c := &registerCaller{id: id, cli: l.client(), registers: r, last: map[string]string{}}
		l.working.Go(func() { repeat(l.story, l.stop, c.call) })
	}
}

// add notes an operation. One whose outcome is unknown may take effect at any
// time from its call on.
func (r *registers) add(caller int, call registerCall, reply registerReply, from, to time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if reply.unknown {
		r.unknown++
		if call.op == "get" {
			return // It changes nothing.
		}
		to = math.MaxInt64
	}
	r.operations = append(r.operations, porcupine.Operation{ClientId: caller, Input: call, Call: int64(from), Output: reply, Return: int64(to)})
}

// relevant leaves out the writes of unknown outcome whose value nobody has seen:
// values are unique, so the history is right with them where it is right without.
func (r *registers) relevant() []porcupine.Operation {
	seen := map[string]bool{}
	for _, o := range r.operations {
		call, reply := o.Input.(registerCall), o.Output.(registerReply)
		seen[reply.value] = true
		if call.op == "swap" && !reply.unknown && !reply.refused {
			seen[call.prev] = true
		}
	}
	for changed := true; changed; { // What led to a value that was seen was there.
		changed = false
		for _, o := range r.operations {
			call := o.Input.(registerCall)
			if call.op == "swap" && seen[call.value] && !seen[call.prev] {
				seen[call.prev], changed = true, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(r.operations), func(o porcupine.Operation) bool {
		return o.Output.(registerReply).unknown && !seen[o.Input.(registerCall).value]
	})
}

func (r *registers) check(s story) {
	s.Helper()
	operations := r.relevant()
	result := porcupine.CheckOperationsTimeout(registerModel(), operations, time.Minute)
	s.Logf("registers: %d operations, %d of unknown outcome: %s", len(r.operations), r.unknown, result)
	if result != porcupine.Ok {
		s.Errorf("the history of %d operations is %s", len(operations), result)
	}
}

// A registerCaller makes calls and writes down what it was told.
type registerCaller struct {
	id        int
	cli       *clientv3.Client
	registers *registers
	n         int
	last      map[string]string // by key: the value it saw last
}

// next chooses a call.
func (c *registerCaller) next() registerCall {
	c.n++
	call := registerCall{key: fmt.Sprintf("register/%d", rand.IntN(3)), value: fmt.Sprintf("%d.%d", c.id, c.n)}
	call.prev = c.last[call.key]
	switch {
	case rand.IntN(3) == 0:
		call.op = "get"
	case call.prev == "" || rand.IntN(4) == 0:
		call.op = "put"
	default:
		call.op = "swap"
	}
	return call
}

// call makes one call and notes it.
func (c *registerCaller) call(ctx context.Context) error {
	call := c.next()
	from := time.Since(c.registers.began)
	reply, err := c.send(ctx, call)
	to := time.Since(c.registers.began)
	if err != nil {
		reply = registerReply{unknown: true}
	}
	switch {
	case reply.unknown:
	case reply.value != "":
		c.last[call.key] = reply.value
	case call.op != "get":
		c.last[call.key] = call.value
	}
	c.registers.add(c.id, call, reply, from, to)
	return err
}

func (c *registerCaller) send(ctx context.Context, call registerCall) (registerReply, error) {
	switch call.op {
	case "get":
		resp, err := c.cli.Get(ctx, call.key)
		if err != nil || len(resp.Kvs) == 0 {
			return registerReply{}, err
		}
		return registerReply{value: string(resp.Kvs[0].Value)}, nil
	case "put":
		return registerReply{}, failure(c.cli.Put(ctx, call.key, call.value))
	}
	resp, err := c.cli.Txn(ctx).
		If(clientv3.Compare(clientv3.Value(call.key), "=", call.prev)).
		Then(clientv3.OpPut(call.key, call.value)).
		Else(clientv3.OpGet(call.key)).
		Commit()
	if err != nil || resp.Succeeded {
		return registerReply{}, err
	}
	return registerReply{refused: true, value: string(resp.Responses[0].GetResponseRange().Kvs[0].Value)}, nil
}
