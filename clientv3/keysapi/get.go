package keysapi

import (
	"context"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// Get implements client.KeysAPI.
func (k *keysAPI) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	var o client.GetOptions
	if opts != nil {
		o = *opts
	}
	p, err := k.check(ctx, key)
	if err != nil {
		return nil, err
	}
	for {
		resp, err := k.get(ctx, p, o)
		if resp != nil || err != nil {
			return resp, err
		}
	}
}

func (k *keysAPI) check(ctx context.Context, key string) (place, error) {
	if err := checkContext(ctx); err != nil {
		return place{}, err
	}
	return placeOf(k.prefix, key)
}

// get gives nothing if the node has come to be while it looked why it is missing.
func (k *keysAPI) get(ctx context.Context, p place, o client.GetOptions) (*client.Response, error) {
	var consistency []clientv3.OpOption
	if !o.Quorum {
		consistency = []clientv3.OpOption{clientv3.WithSerializable()}
	}
	ops := append(make([]clientv3.Op, 0, 2), getRange(p.marker, p.end, consistency))
	if !p.isRoot() {
		ops = append(ops, clientv3.OpGet(p.file, consistency...))
	}
	resp, err := k.commit(ctx, reads, nil, ops, nil)
	if err != nil {
		return nil, err
	}
	answer := response("get", resp.Header)
	var found leases
	below := resp.Responses[0].GetResponseRange().Kvs
	switch {
	case !p.isRoot() && len(resp.Responses[1].GetResponseRange().Kvs) > 0:
		kv := resp.Responses[1].GetResponseRange().Kvs[0]
		answer.Node = fileNode(p.key, kv)
		found.note(answer.Node, kv)
	case p.isRoot() || len(below) > 0:
		answer.Node, found = treeOf(p, below, o.Recursive)
	default:
		return nil, k.lookFor(ctx, p, consistency)
	}
	return answer, k.tellTTLs(ctx, found)
}

// lookFor says why there is no node, or nothing if there is one by now.
func (k *keysAPI) lookFor(ctx context.Context, p place, consistency []clientv3.OpOption) error {
	resp, err := k.commit(ctx, reads, nil, surveyOps(p, consistency...), nil)
	if err != nil {
		return err
	}
	s := surveyOf(p, uint64(resp.Header.Revision), resp.Responses)
	if s.exists() {
		return nil
	}
	return s.missing()
}
