package keysapi

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// Delete implements client.KeysAPI.
func (k *keysAPI) Delete(ctx context.Context, key string, opts *client.DeleteOptions) (*client.Response, error) {
	var o client.DeleteOptions
	if opts != nil {
		o = *opts
	}
	p, err := k.check(ctx, key)
	if err == nil {
		err = checkText("PrevValue", key, o.PrevValue)
	}
	if err != nil {
		return nil, err
	}
	conditional := o.PrevValue != "" || o.PrevIndex != 0
	switch {
	case p.isRoot() && conditional:
		// The root has no name to a server, which takes it for any directory.
		return nil, k.refuseRoot(ctx, p, client.ErrorCodeNotFile, "")
	case p.isRoot():
		return nil, k.refuseRoot(ctx, p, client.ErrorCodeRootROnly, p.key)
	case conditional:
		return k.remove(ctx, compareAndDelete(p, &o))
	}
	return k.remove(ctx, deletion(p, &o))
}

// A removal is a delete as a transaction. Whichever of its branches deletes begins
// with what tells the node that was there.
type removal struct {
	action    string
	p         place
	guard     []clientv3.Cmp
	then      []clientv3.Op
	otherwise []clientv3.Op
	refuse    func(s survey) client.Error
}

func (k *keysAPI) remove(ctx context.Context, r *removal) (*client.Response, error) {
	resp, err := k.commit(ctx, writes, r.guard, r.then, r.otherwise)
	if err != nil {
		return nil, err
	}
	answers, isDir, refused := outcome(resp)
	if refused {
		return nil, r.refuse(surveyOf(r.p, uint64(resp.Header.Revision), answers))
	}
	answer := response(r.action, resp.Header)
	k.tellRemoved(ctx, r.p, answer, answers, isDir)
	return answer, nil
}

func (k *keysAPI) tellRemoved(ctx context.Context, p place, answer *client.Response, answers []*etcdserverpb.ResponseOp, isDir bool) {
	was := replaced(answers)
	answer.PrevNode = fileNode(p.key, was)
	if isDir {
		answer.PrevNode = dirNode(p.key, was)
	}
	answer.Node = &client.Node{Key: p.key, Dir: isDir, CreatedIndex: answer.PrevNode.CreatedIndex, ModifiedIndex: answer.Index}
	if !isDir || string(was.Key) == p.marker {
		k.tellPrevTTL(ctx, answer.PrevNode, was)
	}
}

func deleteFile(p place) []clientv3.Op {
	return []clientv3.Op{clientv3.OpDelete(p.file, clientv3.WithPrevKV())}
}

func compareAndDelete(p place, o *client.DeleteOptions) *removal {
	return &removal{
		action: "compareAndDelete", p: p, guard: meets(p, o.PrevValue, o.PrevIndex), then: deleteFile(p), otherwise: surveyOps(p),
		refuse: func(s survey) client.Error { return s.differs(o.PrevValue, o.PrevIndex) },
	}
}

func deletion(p place, o *client.DeleteOptions) *removal {
	r := &removal{action: "delete", p: p, guard: []clientv3.Cmp{isFile(p)}, then: deleteFile(p), otherwise: surveyOps(p)}
	r.refuse = func(s survey) client.Error {
		switch {
		case !s.exists():
			return s.missing()
		case !o.Dir && !o.Recursive:
			return s.refuse(client.ErrorCodeNotFile, p.key)
		default:
			return s.refuse(client.ErrorCodeDirNotEmpty, p.key)
		}
	}
	switch {
	case o.Recursive:
		was := clientv3.OpGet(p.marker, clientv3.WithRange(p.end), clientv3.WithLimit(1))
		all := clientv3.OpDelete(p.marker, clientv3.WithRange(p.end))
		r.otherwise = []clientv3.Op{clientv3.OpTxn([]clientv3.Cmp{isDir(p)}, []clientv3.Op{was, all}, r.otherwise)}
	case o.Dir:
		own := clientv3.OpDelete(p.marker, clientv3.WithRange(p.inner), clientv3.WithPrevKV())
		r.otherwise = []clientv3.Op{clientv3.OpTxn([]clientv3.Cmp{isDir(p), isEmptyDir(p)}, []clientv3.Op{own}, r.otherwise)}
	}
	return r
}
