package benchmarks

import (
	"context"
	"net/http"

	"go.etcd.io/etcd/client/v2"
)

// historic is the client that etcd had until 3.5.
type historic struct {
	keys client.KeysAPI
	tree *client.GetOptions
}

func newHistoric(c config) (peer, error) {
	cfg := client.Config{
		Endpoints: c.endpoints, HeaderTimeoutPerRequest: c.headerTimeout,
		Username: c.username, Password: c.password,
	}
	if c.transport != nil {
		cfg.Transport = c.transport
	}
	cl, err := client.New(cfg)
	if err != nil {
		return nil, err
	}
	return &historic{keys: client.NewKeysAPI(cl), tree: &client.GetOptions{Recursive: true}}, nil
}

func historicDefaultTransport() http.RoundTripper { return client.DefaultTransport }

func (h *historic) get(ctx context.Context, key string) error {
	_, err := h.keys.Get(ctx, key, nil)
	return err
}

func (h *historic) getTree(ctx context.Context, key string) error {
	_, err := h.keys.Get(ctx, key, h.tree)
	return err
}

func (h *historic) set(ctx context.Context, key, value string) error {
	_, err := h.keys.Set(ctx, key, value, nil)
	return err
}

func (h *historic) watch(key string, after uint64) func(context.Context) (uint64, error) {
	w := h.keys.Watcher(key, &client.WatcherOptions{AfterIndex: after, Recursive: true})
	return func(ctx context.Context) (uint64, error) {
		event, err := w.Next(ctx)
		if err != nil {
			return 0, err
		}
		return event.Node.ModifiedIndex, nil
	}
}

func (h *historic) answer(ctx context.Context, key string, recursive bool) (*document, error) {
	r, err := h.keys.Get(ctx, key, &client.GetOptions{Recursive: recursive})
	if err != nil {
		return nil, err
	}
	return &document{Action: r.Action, Node: fromHistoric(r.Node), PrevNode: fromHistoric(r.PrevNode)}, nil
}

func fromHistoric(n *client.Node) *node {
	if n == nil {
		return nil
	}
	made := &node{
		Key: n.Key, Dir: n.Dir, Value: n.Value, CreatedIndex: n.CreatedIndex, ModifiedIndex: n.ModifiedIndex,
		Expiration: n.Expiration, TTL: n.TTL,
	}
	for _, child := range n.Nodes {
		made.Nodes = append(made.Nodes, fromHistoric(child))
	}
	return made
}
