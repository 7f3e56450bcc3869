package dump

import (
	"context"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// change applies a change.
func (im *importer) change(ctx context.Context, c *Change) error {
	key := keypath.Moved(c.Node.Key, im.from, im.root)
	im.count(func(sum *ImportSummary) { sum.Changes++ })
	if im.opts.DryRun {
		return nil
	}
	event := client.Event{Kind: c.Kind}
	ttl, alive := im.remaining(&c.Node)
	switch {
	case event.IsDelete() || !alive:
		return im.removeAll(ctx, key)
	case key == "/":
		return nil // it is always there
	case c.Node.Dir:
		return im.makeDir(ctx, key, &client.SetOptions{Dir: true, TTL: ttl, PrevExist: client.PrevNoExist})
	default:
		return im.set(ctx, key, c.Node.Value, &client.SetOptions{TTL: ttl, NoValueOnSuccess: true})
	}
}

// removeAll removes a node; of the root, which no server removes, what is in it.
func (im *importer) removeAll(ctx context.Context, key string) error {
	if key != "/" {
		return im.store.remove(ctx, key)
	}
	r, err := im.store.get(ctx, key, false)
	if err != nil || r == nil {
		return err
	}
	for _, child := range r.Node.Nodes {
		if err := im.store.remove(ctx, child.Key); err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes a directory where there is none.
func (im *importer) makeDir(ctx context.Context, key string, opts *client.SetOptions) error {
	err := im.set(ctx, key, "", opts)
	if !client.IsNodeExist(err) {
		return err
	}
	r, err := im.store.get(ctx, key, false)
	if err != nil || r == nil || r.Node.Dir {
		return err
	}
	if err := im.store.remove(ctx, key); err != nil {
		return err
	}
	return im.set(ctx, key, "", opts)
}

// set writes a node. What is in the way is of later than the change: the dump is
// being imported once more.
func (im *importer) set(ctx context.Context, key, value string, opts *client.SetOptions) error {
	write := func() error {
		return im.store.patiently(ctx, func() error {
			_, err := im.store.kapi.Set(ctx, key, value, opts)
			return err
		})
	}
	err := write()
	switch {
	case hasCode(err, client.ErrorCodeNotFile):
		err = im.store.remove(ctx, key)
	case hasCode(err, client.ErrorCodeNotDir):
		err = im.clearWay(ctx, key)
	default:
		return named("set", key, err)
	}
	if err != nil {
		return err
	}
	return named("set", key, write())
}

// clearWay removes the file that is where a directory of a key was.
func (im *importer) clearWay(ctx context.Context, key string) error {
	for i := 1; i < len(key); i++ {
		if key[i] != '/' {
			continue
		}
		r, err := im.store.get(ctx, key[:i], false)
		if err != nil || r == nil {
			return err
		}
		if !r.Node.Dir {
			return im.store.remove(ctx, key[:i])
		}
	}
	return nil
}
