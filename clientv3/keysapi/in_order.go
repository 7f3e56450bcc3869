package keysapi

import (
	"context"
	"fmt"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// CreateInOrder implements client.KeysAPI.
//
// The name is the revision after one that was seen. No other CreateInOrder in the
// directory may have been done since: each writes the directory's counter, so the
// name is greater than all before it, those of nodes that are gone too.
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
	g, err := k.grantTTL(ctx, o.TTL)
	if err != nil {
		return nil, err
	}
	for {
		w := creationInOrder(p, p.child(k.prefix, fmt.Sprintf("%020d", revision+1)), value, revision, g)
		resp, err := k.commit(ctx, writes, w.guard, w.then, w.otherwise)
		switch {
		case err != nil:
			return nil, err
		case resp.Succeeded:
			answer := response(w.action, resp.Header)
			w.tell(answer, nil, false)
			return answer, nil
		}
		s := surveyOf(w.p, uint64(resp.Header.Revision), resp.Responses)
		if e, is := s.blocked(); is {
			k.drop(ctx, g)
			return nil, e
		}
		revision = max(revision+1, resp.Header.Revision)
	}
}

// creationInOrder makes a node in a directory that nobody else has made one in since
// the revision.
func creationInOrder(dir, p place, value string, revision int64, g grant) *setting {
	unchanged := clientv3.Compare(clientv3.ModRevision(dir.counter), "<", revision+1)
	return &setting{
		action: "create", p: p, value: value, grant: g,
		guard:     append(noFileAbove(p), isNoFile(p), isNoDir(p), unchanged),
		then:      append([]clientv3.Op{putFile(p, value, g), clientv3.OpPut(dir.counter, "")}, makeAbove(p)...),
		otherwise: surveyOps(p),
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
