package keysapi

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// refresh renews the TTL of a node. With the TTL that it has, its lease is kept
// alive, which is no write; else it gets a new lease.
func (k *keysAPI) refresh(ctx context.Context, p place, o *client.SetOptions) (*client.Response, error) {
	for {
		resp, err := k.commit(ctx, reads, nil, surveyOps(p), nil)
		if err != nil {
			return nil, err
		}
		s := surveyOf(p, uint64(resp.Header.Revision), resp.Responses)
		action, was, refused := refreshable(s, o)
		if refused != nil {
			return nil, *refused
		}
		answer := response(action, resp.Header)
		answer.Node, answer.PrevNode = s.node(was), s.node(was)
		done, err := k.renew(ctx, p, answer, was, o)
		if done || err != nil {
			return answer, err
		}
	}
}

// refreshable gives the key that has the lease, or says why there is none.
func refreshable(s survey, o *client.SetOptions) (action string, was *mvccpb.KeyValue, refused *client.Error) {
	refuse := func(e client.Error) (string, *mvccpb.KeyValue, *client.Error) { return "", nil, &e }
	switch is := s.here.file; {
	case o.PrevValue != "" || o.PrevIndex != 0:
		if is == nil || o.PrevValue != "" && o.PrevValue != string(is.Value) || o.PrevIndex != 0 && o.PrevIndex != uint64(is.ModRevision) {
			return refuse(s.differs(o.PrevValue, o.PrevIndex))
		}
		return "compareAndSwap", is, nil
	case !s.exists():
		return refuse(s.missing())
	case o.PrevExist == client.PrevExist && is == nil:
		return "update", s.here.dir, nil
	case is == nil:
		return refuse(s.refuse(client.ErrorCodeNotFile, s.p.key))
	case o.PrevExist == client.PrevExist:
		return "update", is, nil
	default:
		return "set", is, nil
	}
}

// node gives the node here, of the key that is its file or the first of its directory.
func (s *survey) node(kv *mvccpb.KeyValue) *client.Node {
	if kv == s.here.file {
		return fileNode(s.p.key, kv)
	}
	return dirNode(s.p.key, kv)
}

// renew is not done if the node has changed since it was looked at.
func (k *keysAPI) renew(ctx context.Context, p place, answer *client.Response, was *mvccpb.KeyValue, o *client.SetOptions) (done bool, err error) {
	holder := string(was.Key)
	if answer.Node.Dir {
		holder = p.marker
	}
	if was.Lease != 0 && holder == string(was.Key) {
		id := clientv3.LeaseID(was.Lease)
		status, statusErr := k.askFor(ctx, id)
		if statusErr != nil {
			return false, statusErr
		}
		if status.TTL > 0 {
			setTTL(answer.PrevNode, status.TTL+1)
		}
		if status.GrantedTTL == max(wholeSeconds(o.TTL), k.least.Load()) {
			return k.keepAlive(ctx, answer.Node, id)
		}
	}
	return k.replaceLease(ctx, p, holder, answer, was, o)
}

func (k *keysAPI) keepAlive(ctx context.Context, n *client.Node, id clientv3.LeaseID) (done bool, err error) {
	alive, err := k.c.KeepAliveOnce(ctx, id)
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return false, nil // The node has just expired.
	case err != nil:
		return false, callError(err, writes)
	}
	setTTL(n, alive.TTL)
	return true, nil
}

func (k *keysAPI) replaceLease(
	ctx context.Context, p place, holder string, answer *client.Response, was *mvccpb.KeyValue, o *client.SetOptions,
) (done bool, err error) {
	g, err := k.grantTTL(ctx, o.TTL)
	if err != nil {
		return false, err
	}
	put := clientv3.OpPut(holder, "", clientv3.WithIgnoreValue(), g.option())
	if answer.Node.Dir {
		put = putDir(p, g)
	}
	t := &transaction{
		kind:  k.unconditional(),
		guard: []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(string(was.Key)), "=", was.ModRevision)},
		then:  []clientv3.Op{put},
	}
	if o.PrevValue != "" || o.PrevIndex != 0 {
		t.kind = writes
	}
	resp, err := k.do(ctx, t)
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return false, nil
	case err != nil:
		return false, err
	case !resp.Succeeded:
		k.dropUnused(ctx, g, t)
		return false, nil
	}
	answer.Index = uint64(resp.Header.Revision)
	answer.Node.ModifiedIndex = answer.Index
	g.mark(answer.Node)
	return true, nil
}
