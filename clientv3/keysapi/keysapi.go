package keysapi

import (
	"context"
	"strconv"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// Option changes what [New] and [Open] make.
type Option func(*keysAPI)

// WithPrefix puts the keys of v2 below prefix in the v3 store: the key /a is prefix
// followed by /a there. Responses do not show it. Empty, as it is by default, is the
// layout of etcdctl migrate.
func WithPrefix(prefix string) Option { return func(k *keysAPI) { k.prefix = prefix } }

// New makes a KeysAPI that keeps its nodes in the v3 store of c, which stays the
// caller's to close. It is safe for concurrent use; a Watcher of it is for one
// goroutine at a time. The package says what is kept how, and what differs from v2.
func New(c *clientv3.Client, opts ...Option) client.KeysAPI {
	k := &keysAPI{c: c}
	for _, o := range opts {
		o(k)
	}
	return k
}

// WithStrictWrites is client.Config.StrictWrites: no write is repeated whose outcome
// is unknown, also where that would end in the same state.
func WithStrictWrites() Option { return func(k *keysAPI) { k.strict = true } }

type keysAPI struct {
	c      *clientv3.Client
	prefix string
	strict bool
	seen   atomic.Int64 // the greatest revision of all answers
	least  atomic.Int64 // the seconds to which the server has raised a shorter TTL
	ahead  namesAhead
}

// Create implements client.KeysAPI.
func (k *keysAPI) Create(ctx context.Context, key, value string) (*client.Response, error) {
	return k.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevNoExist})
}

// Update implements client.KeysAPI.
func (k *keysAPI) Update(ctx context.Context, key, value string) (*client.Response, error) {
	return k.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevExist})
}

// see notes the revision of an answer.
func (k *keysAPI) see(revision int64) {
	for {
		seen := k.seen.Load()
		if revision <= seen || k.seen.CompareAndSwap(seen, revision) {
			return
		}
	}
}

// response begins the answer to a call.
func response(action string, header *etcdserverpb.ResponseHeader) *client.Response {
	return &client.Response{Action: action, Index: uint64(header.Revision), ClusterID: strconv.FormatUint(header.ClusterId, 16)}
}

// refuseRoot is the answer to a write on the root. It asks for the index only.
func (k *keysAPI) refuseRoot(ctx context.Context, p place, code int, cause string) error {
	resp, err := k.commit(ctx, reads, nil, []clientv3.Op{clientv3.OpGet(p.marker, clientv3.WithCountOnly())}, nil)
	if err != nil {
		return err
	}
	return refusal(code, cause, uint64(resp.Header.Revision))
}
