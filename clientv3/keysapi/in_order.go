package keysapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// CreateInOrder implements client.KeysAPI.
//
// The name is the revision after the last that was seen, or, where the directory has
// greater ones, which a v2 store had given, the number after the greatest. The
// directory's counter tells the greatest there ever was; whatever makes a node with
// such a name raises it.
func (k *keysAPI) CreateInOrder(ctx context.Context, dir, value string, opts *client.CreateInOrderOptions) (*client.Response, error) {
	var o client.CreateInOrderOptions
	if opts != nil {
		o = *opts
	}
	p, err := k.check(ctx, dir)
	if err == nil {
		err = checkText("value", dir, value)
	}
	if err != nil {
		return nil, err
	}
	revision, err := k.lastRevision(ctx, p)
	if err != nil {
		return nil, err
	}
	return k.withTTL(ctx, o.TTL, func(g grant) (*client.Response, error) {
		return k.createInOrder(ctx, p, value, max(revision, k.ahead.of(p))+1, g)
	})
}

// createInOrder tries numbers from one on, until one is greater than all there were.
func (k *keysAPI) createInOrder(ctx context.Context, p place, value string, number int64, g grant) (*client.Response, error) {
	for looked := false; ; looked = true {
		w := creationInOrder(p, p.child(k.prefix, nameInOrder(number)), value, g, looked)
		resp, err := k.commit(ctx, writes, w.guard, w.then, w.otherwise)
		if err != nil {
			return nil, err
		}
		answers, _, refused := outcome(resp)
		if !refused {
			k.ahead.note(p, number, resp.Header.Revision)
			answer := response(w.action, resp.Header)
			w.tell(answer, nil, false)
			return answer, nil
		}
		s := surveyOf(w.p, uint64(resp.Header.Revision), answers)
		if e, is := s.blocked(); is {
			k.drop(ctx, g)
			return nil, e
		}
		number = max(number, resp.Header.Revision, greatestName(p, answers)) + 1
	}
}

// creationInOrder makes a node whose name is greater than all that its directory has
// had. A directory without a counter has had those that it has: unless they were
// looked at, none may come after the node's.
func creationInOrder(dir, p place, value string, g grant, looked bool) *setting {
	w := creation(p, value, &client.SetOptions{}, g)
	noCounter := clientv3.Compare(clientv3.Version(dir.counter), "=", 0)
	first := append(slices.Clip(w.guard), noCounter)
	if !looked {
		first = append(first, clientv3.Compare(clientv3.Version(p.file).WithRange(dir.unordered()), "=", 0))
	}
	later := clientv3.OpGet(p.file, clientv3.WithRange(dir.unordered()), clientv3.WithKeysOnly())
	reads := append(slices.Clip(w.otherwise), clientv3.OpGet(dir.counter), clientv3.OpTxn([]clientv3.Cmp{noCounter}, []clientv3.Op{later}, nil))
	w.otherwise = []clientv3.Op{clientv3.OpTxn(first, w.then, reads)}
	w.guard = append(slices.Clip(w.guard), clientv3.Compare(clientv3.Value(dir.counter), "<", p.name()))
	return w
}

// greatestName gives the greatest number in order that the directory has had, of what
// a refused creation has read; zero: it is not known that there was any.
func greatestName(dir place, answers []*etcdserverpb.ResponseOp) int64 {
	counter, later := answers[len(answers)-2], answers[len(answers)-1].GetResponseTxn()
	greatest := int64(0)
	if kv := firstOf(counter); kv != nil {
		greatest = orderOf(string(kv.Value))
	}
	if !later.Succeeded {
		return greatest
	}
	for _, kv := range later.Responses[0].GetResponseRange().Kvs {
		name, _, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), dir.marker), "/")
		greatest = max(greatest, orderOf(name))
	}
	return greatest
}

// raiseCounter is what is done about the counter of the directory of p when p is made:
// nothing unless p has a name in order.
func raiseCounter(p place) []clientv3.Op {
	if orderOf(p.name()) == 0 {
		return nil
	}
	counter := p.siblingCounter()
	raise := []clientv3.Op{clientv3.OpPut(counter, p.name())}
	first := clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Version(counter), "=", 0)}, raise, nil)
	return []clientv3.Op{clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Value(counter), "<", p.name())}, raise, []clientv3.Op{first})}
}

func nameInOrder(number int64) string { return fmt.Sprintf("%020d", number) }

// orderOf gives the number that is a name in order; zero: it is none. No store gets as
// far as to numbers of more than 18 digits.
func orderOf(name string) int64 {
	digits, found := strings.CutPrefix(name, "00")
	if !found || len(digits) != 18 || strings.Trim(digits, "0123456789") != "" {
		return 0
	}
	number, _ := strconv.ParseInt(digits, 10, 64) //nolint:errcheck // It is one.
	return number
}

// namesAhead remembers the greatest number that was given in those directories where
// numbers are ahead of the revision, so that the next is not tried too low. There are
// few, or none: those that came from a store with greater indexes.
type namesAhead struct {
	mu      sync.Mutex       // guards the field below
	numbers map[string]int64 // by the key of the directory
}

func (a *namesAhead) of(dir place) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.numbers[dir.key]
}

// note takes a number that was given at a revision.
func (a *namesAhead) note(dir place, number, revision int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case number <= revision:
		delete(a.numbers, dir.key)
	case a.numbers == nil:
		a.numbers = map[string]int64{dir.key: number}
	default:
		a.numbers[dir.key] = max(a.numbers[dir.key], number)
	}
}

// lastRevision gives the last revision that was seen, and asks for it when none was.
func (k *keysAPI) lastRevision(ctx context.Context, p place) (int64, error) {
	if seen := k.seen.Load(); seen > 0 {
		return seen, nil
	}
	resp, err := k.commit(ctx, reads, nil, []clientv3.Op{clientv3.OpGet(p.marker, clientv3.WithCountOnly())}, nil)
	if err != nil {
		return 0, err
	}
	return resp.Header.Revision, nil
}
