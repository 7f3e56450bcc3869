package benchmarks

import (
	"context"
	"net/http"

	"github.com/coreos/etcd/client"
)

// ours is the client of this repository.
type ours struct {
	keys client.KeysAPI
	tree *client.GetOptions
}

func newOurs(c config) (peer, error) {
	cfg := client.Config{
		Endpoints: c.endpoints, HeaderTimeoutPerRequest: c.headerTimeout,
		Username: c.username, Password: c.password, MaxResponseBytes: c.maxResponseBytes,
	}
	if c.transport != nil {
		cfg.Transport = c.transport
	}
	cl, err := client.New(cfg)
	if err != nil {
		return nil, err
	}
	return &ours{keys: client.NewKeysAPI(cl), tree: &client.GetOptions{Recursive: true}}, nil
}

func oursDefaultTransport() http.RoundTripper { return client.DefaultTransport }

func (o *ours) get(ctx context.Context, key string) error {
	_, err := o.keys.Get(ctx, key, nil)
	return err
}

func (o *ours) getTree(ctx context.Context, key string) error {
	_, err := o.keys.Get(ctx, key, o.tree)
	return err
}

func (o *ours) set(ctx context.Context, key, value string) error {
	_, err := o.keys.Set(ctx, key, value, nil)
	return err
}

func (o *ours) watch(key string, after uint64) func(context.Context) (uint64, error) {
	w := o.keys.Watcher(key, &client.WatcherOptions{AfterIndex: after, Recursive: true})
	return func(ctx context.Context) (uint64, error) {
		event, err := w.Next(ctx)
		if err != nil {
			return 0, err
		}
		return event.Node.ModifiedIndex, nil
	}
}

func (o *ours) answer(ctx context.Context, key string, recursive bool) (*document, error) {
	r, err := o.keys.Get(ctx, key, &client.GetOptions{Recursive: recursive})
	if err != nil {
		return nil, err
	}
	return &document{Action: r.Action, Node: fromOurs(r.Node), PrevNode: fromOurs(r.PrevNode)}, nil
}

func fromOurs(n *client.Node) *node {
	if n == nil {
		return nil
	}
	made := &node{
		Key: n.Key, Dir: n.Dir, Value: n.Value, CreatedIndex: n.CreatedIndex, ModifiedIndex: n.ModifiedIndex,
		Expiration: n.Expiration, TTL: n.TTL,
	}
	for _, child := range n.Nodes {
		made.Nodes = append(made.Nodes, fromOurs(child))
	}
	return made
}
