package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What the calls are made with.
const (
	smallKey   = "/services/web/10.0.42.17"
	smallValue = `{"host":"10.0.42.17","port":8080}`
)

const dialTimeout = 30 * time.Second

// A peer is a client that is compared.
type peer interface {
	get(ctx context.Context) error
	put(ctx context.Context) error
	// txn has one condition, a put if it holds and a get otherwise.
	txn(ctx context.Context) error
	// watch watches key until there were so many events, and then ends the watch.
	watch(ctx context.Context, key string, events int) error
	// keepAlive renews a lease until there were so many answers.
	keepAlive(ctx context.Context, lease int64, answers int) error
	close() error
}

// A maker makes a peer for an endpoint.
type maker struct {
	name string
	make func(endpoint string) (peer, error)
}

// makers are all peers; ours comes first.
func makers() []maker {
	return []maker{{"ours", newOurs}, {"today's", newTodays}}
}

// peers makes all of them for an endpoint. The caller must call leave.
func peers(endpoint string) (all []peer, leave func() error, err error) {
	leave = func() error {
		var errs []error
		for _, p := range all {
			errs = append(errs, p.close())
		}
		return errors.Join(errs...)
	}
	for _, m := range makers() {
		p, err := m.make(endpoint)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("%s: %w", m.name, err), leave())
		}
		all = append(all, p)
	}
	return all, leave, nil
}

// errEnded is what a watch or a renewal that ends too early comes to.
var errEnded = errors.New("benchmarks: ended too early")
