package concurrency

import (
	"context"
	"errors"
	"fmt"
	"time"

	v3 "github.com/coreos/etcd/clientv3"
)

// STM is what the function of [NewSTM] reads and writes by. It is of one goroutine,
// and of no use after that function has returned.
type STM interface {
	// Get returns the value of the first key, empty if there is none, and reads the
	// others by the same request, so that to get them later sends nothing. It sees
	// what was written by Put and Del before. Where it fails it does not return: the
	// transaction ends with the error.
	Get(key ...string) string

	// Put sets key to val when the transaction is committed. The options are those
	// of [v3.OpPut].
	Put(key, val string, opts ...v3.OpOption)

	// Rev returns the revision that last changed key, 0 if there is none, as it was
	// before this transaction. It reads the key as Get does.
	Rev(key string) int64

	// Del deletes key when the transaction is committed.
	Del(key string)
}

// Isolation says what a transaction may see of others.
type Isolation int

const (
	// SerializableSnapshot reads all keys as they were at the revision of the first
	// read, and commits only if none of the keys that were read or are written has
	// been changed since.
	SerializableSnapshot Isolation = iota
	// Serializable reads all keys as they were at the revision of the first read, and
	// commits only if none of those keys has been changed since.
	Serializable
	// RepeatableReads reads each key once, at any revision, and commits only if none
	// of the keys that were read has been changed since.
	RepeatableReads
	// ReadCommitted reads each key once, at any revision, and commits whatever has
	// happened since: changes of others may be overwritten.
	ReadCommitted
)

// STMOption changes how [NewSTM] does a transaction.
type STMOption func(*stmOptions)

type stmOptions struct {
	isolation Isolation
	ctx       context.Context
	prefetch  []string
}

// WithIsolation sets the isolation. Without it, it is [SerializableSnapshot].
func WithIsolation(lvl Isolation) STMOption {
	return func(o *stmOptions) { o.isolation = lvl }
}

// WithAbortContext makes the transaction end with ctx instead of with the client.
func WithAbortContext(ctx context.Context) STMOption {
	return func(o *stmOptions) { o.ctx = ctx }
}

// WithPrefetch reads the keys by one request before the function is called, as if
// it began with a Get of them.
func WithPrefetch(keys ...string) STMOption {
	return func(o *stmOptions) { o.prefetch = append(o.prefetch, keys...) }
}

// NewSTM calls apply, and writes what it has put and deleted by one transaction.
// If others have changed what the isolation does not allow, nothing is written, and
// apply is called again, after a pause that grows up to a quarter of a second: it
// should do nothing but read and write by the STM. The response is that of the
// commit.
//
// If apply returns an error, or panics, nothing is written and that is returned. If
// the context of [WithAbortContext] ends before the commit is sent, the error is
// its own. A commit is never sent twice: if it is not known what became of it, the
// error is [ErrOutcomeUnknown]. Who calls NewSTM again then may do everything twice.
func NewSTM(c *v3.Client, apply func(STM) error, so ...STMOption) (*v3.TxnResponse, error) {
	o := stmOptions{ctx: c.Ctx()}
	for _, opt := range so {
		opt(&o)
	}
	switch {
	case o.isolation < SerializableSnapshot || o.isolation > ReadCommitted:
		return nil, fmt.Errorf("concurrency: there is no isolation %d", o.isolation)
	case o.ctx == nil:
		return nil, errors.New("concurrency: WithAbortContext of nil")
	}
	t := &transaction{kv: c.KV, ctx: o.ctx, isolation: o.isolation, prefetch: o.prefetch}
	for p := pauseOf(time.Millisecond, 250*time.Millisecond); ; {
		response, err := t.attempt(apply)
		if !errors.Is(err, errConflict) {
			return response, err
		}
		if !p.wait(o.ctx) {
			return nil, o.ctx.Err()
		}
	}
}

// NewSTMRepeatable is NewSTM with [RepeatableReads].
//
// Deprecated: use [NewSTM].
func NewSTMRepeatable(ctx context.Context, c *v3.Client, apply func(STM) error) (*v3.TxnResponse, error) {
	return NewSTM(c, apply, WithAbortContext(ctx), WithIsolation(RepeatableReads))
}

// NewSTMSerializable is NewSTM with [Serializable].
//
// Deprecated: use [NewSTM].
func NewSTMSerializable(ctx context.Context, c *v3.Client, apply func(STM) error) (*v3.TxnResponse, error) {
	return NewSTM(c, apply, WithAbortContext(ctx), WithIsolation(Serializable))
}

// NewSTMReadCommitted is NewSTM with [ReadCommitted].
//
// Deprecated: use [NewSTM].
func NewSTMReadCommitted(ctx context.Context, c *v3.Client, apply func(STM) error) (*v3.TxnResponse, error) {
	return NewSTM(c, apply, WithAbortContext(ctx), WithIsolation(ReadCommitted))
}
