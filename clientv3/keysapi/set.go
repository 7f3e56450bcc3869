package keysapi

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// Set implements client.KeysAPI.
func (k *keysAPI) Set(ctx context.Context, key, value string, opts *client.SetOptions) (*client.Response, error) {
	var o client.SetOptions
	if opts != nil {
		o = *opts
	}
	p, err := k.check(ctx, key)
	if err == nil {
		err = checkSet(key, value, &o)
	}
	if err != nil {
		return nil, err
	}
	if p.isRoot() {
		return nil, k.refuseRoot(ctx, p, client.ErrorCodeRootROnly, p.key)
	}
	resp, err := k.set(ctx, p, value, &o)
	if err == nil && o.NoValueOnSuccess {
		resp.Node, resp.PrevNode = nil, nil
	}
	return resp, err
}

// set chooses as a server does: to create comes before to compare.
func (k *keysAPI) set(ctx context.Context, p place, value string, o *client.SetOptions) (*client.Response, error) {
	if o.Refresh && o.PrevExist != client.PrevNoExist {
		return k.refresh(ctx, p, o)
	}
	return k.withTTL(ctx, o.TTL, func(g grant) (*client.Response, error) {
		switch {
		case o.PrevExist == client.PrevNoExist:
			return k.put(ctx, writes, creation(p, value, o, g), o.NoValueOnSuccess)
		case o.PrevValue != "" || o.PrevIndex != 0:
			return k.put(ctx, writes, swap(p, value, o, g), o.NoValueOnSuccess)
		case o.PrevExist == client.PrevExist:
			return k.put(ctx, k.unconditional(), update(p, value, g), o.NoValueOnSuccess)
		default:
			return k.put(ctx, k.unconditional(), replacement(p, value, o, g), o.NoValueOnSuccess)
		}
	})
}

// A setting is a write of one node as a transaction.
type setting struct {
	action    string
	p         place
	value     string
	dir       bool
	grant     grant
	guard     []clientv3.Cmp
	then      []clientv3.Op
	otherwise []clientv3.Op // a survey, but for update
	refuse    func(s survey) client.Error
}

// put does a setting; a bare answer has no nodes.
func (k *keysAPI) put(ctx context.Context, what kind, w *setting, bare bool) (*client.Response, error) {
	t := &transaction{kind: what, guard: w.guard, then: w.then, otherwise: w.otherwise}
	resp, err := k.do(ctx, t)
	if err != nil {
		return nil, err // The lease stays: if the node was written, it would go with it.
	}
	answers, toDir, refused := outcome(resp)
	if refused {
		k.dropUnused(ctx, w.grant, t)
		return nil, w.refuse(surveyOf(w.p, uint64(resp.Header.Revision), answers))
	}
	answer := response(w.action, resp.Header)
	if bare {
		return answer, nil
	}
	prev := replaced(answers)
	w.tell(answer, prev, toDir)
	k.tellPrevTTL(ctx, answer.PrevNode, prev)
	return answer, nil
}

// outcome gives the answers of what was done. It may be what the other branch's own
// transaction did, for a directory.
func outcome(resp *clientv3.TxnResponse) (answers []*etcdserverpb.ResponseOp, toDir, refused bool) {
	if resp.Succeeded {
		return resp.Responses, false, false
	}
	if nested := resp.Responses[0].GetResponseTxn(); nested != nil {
		return nested.Responses, nested.Succeeded, !nested.Succeeded
	}
	return resp.Responses, false, true
}

// tell writes the nodes into the answer.
func (w *setting) tell(answer *client.Response, prev *mvccpb.KeyValue, toDir bool) {
	n := &client.Node{Key: w.p.key, Dir: w.dir || toDir, Value: w.value, CreatedIndex: answer.Index, ModifiedIndex: answer.Index}
	w.grant.mark(n)
	answer.Node = n
	if prev == nil {
		return
	}
	answer.PrevNode = fileNode(w.p.key, prev)
	if toDir {
		answer.PrevNode = dirNode(w.p.key, prev)
	}
	if n.Dir == answer.PrevNode.Dir {
		n.CreatedIndex = answer.PrevNode.CreatedIndex
	}
}

// replaced gives the key that a put changed, that was deleted for it, or that was
// looked at before.
func replaced(answers []*etcdserverpb.ResponseOp) *mvccpb.KeyValue {
	for _, a := range answers {
		var kvs []*mvccpb.KeyValue
		switch {
		case a.GetResponsePut() != nil && a.GetResponsePut().PrevKv != nil:
			return a.GetResponsePut().PrevKv
		case a.GetResponseDeleteRange() != nil:
			kvs = a.GetResponseDeleteRange().PrevKvs
		case a.GetResponseRange() != nil:
			kvs = a.GetResponseRange().Kvs
		}
		if len(kvs) > 0 {
			return kvs[0]
		}
	}
	return nil
}

func putFile(p place, value string, g grant) clientv3.Op {
	return clientv3.OpPut(p.file, value, clientv3.WithPrevKV(), g.option())
}

func putDir(p place, g grant) clientv3.Op {
	return clientv3.OpPut(p.marker, "", clientv3.WithPrevKV(), g.option())
}

// replacement sets a file, or makes a directory where there is none.
func replacement(p place, value string, o *client.SetOptions, g grant) *setting {
	w := &setting{action: "set", p: p, value: value, dir: o.Dir, grant: g, guard: append(noFileAbove(p), isNoDir(p)), otherwise: surveyOps(p)}
	if o.Dir {
		w.then = []clientv3.Op{putDir(p, g), clientv3.OpDelete(p.file, clientv3.WithPrevKV())}
	} else {
		w.then = []clientv3.Op{putFile(p, value, g)}
	}
	w.then = append(w.then, makeAbove(p)...)
	w.refuse = func(s survey) client.Error {
		if e, is := s.blocked(); is {
			return e
		}
		return s.refuse(client.ErrorCodeNotFile, p.key)
	}
	return w
}

func creation(p place, value string, o *client.SetOptions, g grant) *setting {
	w := &setting{
		action: "create", p: p, value: value, dir: o.Dir, grant: g,
		guard: append(noFileAbove(p), isNoFile(p), isNoDir(p)), otherwise: surveyOps(p),
	}
	w.then = []clientv3.Op{putFile(p, value, g)}
	if o.Dir {
		w.then[0] = putDir(p, g)
	}
	w.then = append(w.then, makeAbove(p)...)
	w.refuse = func(s survey) client.Error {
		if e, is := s.blocked(); is {
			return e
		}
		return s.refuse(client.ErrorCodeNodeExist, p.key)
	}
	return w
}

func swap(p place, value string, o *client.SetOptions, g grant) *setting {
	return &setting{
		action: "compareAndSwap", p: p, value: value, grant: g,
		guard: meets(p, o.PrevValue, o.PrevIndex), then: []clientv3.Op{putFile(p, value, g)}, otherwise: surveyOps(p),
		refuse: func(s survey) client.Error { return s.differs(o.PrevValue, o.PrevIndex) },
	}
}

// update writes a file, or renews or drops the TTL of a directory, for which the value
// must be empty.
func update(p place, value string, g grant) *setting {
	w := &setting{
		action: "update", p: p, value: value, grant: g,
		guard: []clientv3.Cmp{isFile(p)}, then: []clientv3.Op{putFile(p, value, g)}, otherwise: surveyOps(p),
		refuse: func(s survey) client.Error {
			if s.here.dir != nil {
				return s.refuse(client.ErrorCodeNotFile, p.key)
			}
			return s.missing()
		},
	}
	if value == "" {
		before := clientv3.OpGet(p.marker, clientv3.WithRange(p.end), clientv3.WithLimit(1))
		w.otherwise = []clientv3.Op{clientv3.OpTxn([]clientv3.Cmp{isDir(p)}, []clientv3.Op{before, putDir(p, g)}, w.otherwise)}
	}
	return w
}
