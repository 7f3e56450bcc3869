package concurrency_test

import (
	"context"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	v3 "github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/concurrency"
)

// These are the shapes of go.etcd.io/etcd/client/v3/concurrency, which programs of
// today rely on. They are checked by the compiler.
var (
	_ func(*v3.Client, ...concurrency.SessionOption) (*concurrency.Session, error) = concurrency.NewSession
	_ func(int) concurrency.SessionOption                                          = concurrency.WithTTL
	_ func(v3.LeaseID) concurrency.SessionOption                                   = concurrency.WithLease
	_ func(context.Context) concurrency.SessionOption                              = concurrency.WithContext

	_ func(*concurrency.Session, string) *concurrency.Mutex                   = concurrency.NewMutex
	_ func(*concurrency.Session, string) sync.Locker                          = concurrency.NewLocker
	_ func(*concurrency.Session, string) *concurrency.Election                = concurrency.NewElection
	_ func(*concurrency.Session, string, string, int64) *concurrency.Election = concurrency.ResumeElection

	_ func(*v3.Client, func(concurrency.STM) error, ...concurrency.STMOption) (*v3.TxnResponse, error) = concurrency.NewSTM

	_ func(context.Context, *v3.Client, func(concurrency.STM) error) (*v3.TxnResponse, error) = concurrency.NewSTMRepeatable
	_ func(context.Context, *v3.Client, func(concurrency.STM) error) (*v3.TxnResponse, error) = concurrency.NewSTMSerializable
	_ func(context.Context, *v3.Client, func(concurrency.STM) error) (*v3.TxnResponse, error) = concurrency.NewSTMReadCommitted

	_ func(context.Context) concurrency.STMOption       = concurrency.WithAbortContext
	_ func(concurrency.Isolation) concurrency.STMOption = concurrency.WithIsolation
	_ func(...string) concurrency.STMOption             = concurrency.WithPrefetch

	_ interface {
		Client() *v3.Client
		Lease() v3.LeaseID
		Ctx() context.Context
		Done() <-chan struct{}
		Orphan()
		Close() error
	} = (*concurrency.Session)(nil)

	_ interface {
		Lock(ctx context.Context) error
		TryLock(ctx context.Context) error
		Unlock(ctx context.Context) error
		IsOwner() v3.Cmp
		Key() string
		Header() *pb.ResponseHeader
	} = (*concurrency.Mutex)(nil)

	_ interface {
		Campaign(ctx context.Context, val string) error
		Proclaim(ctx context.Context, val string) error
		Resign(ctx context.Context) error
		Leader(ctx context.Context) (*v3.GetResponse, error)
		Observe(ctx context.Context) <-chan *v3.GetResponse
		Key() string
		Rev() int64
		Header() *pb.ResponseHeader
	} = (*concurrency.Election)(nil)

	_ interface {
		Get(key ...string) string
		Put(key, val string, opts ...v3.OpOption)
		Rev(key string) int64
		Del(key string)
	} = concurrency.STM(nil)
)
