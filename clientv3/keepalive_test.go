package clientv3_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/coreos/etcd/clientv3"
)

// stallable is a connection to a process that can be stopped: what is sent is
// taken, and nothing comes back.
type stallable struct {
	net.Conn
	stalled <-chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func (c *stallable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.stalled:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (c *stallable) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestStoppedMemberIsLeft stops the member that a read waits for. The read goes
// on at the other one as soon as the first has owed a sign of life for too long.
func TestStoppedMemberIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := make(chan struct{})
		var stop sync.Once
		listeners := map[string]*bufconn.Listener{"stops:1": bufconn.Listen(1 << 16), "goes-on:1": bufconn.Listen(1 << 16)}
		serveOn(t, listeners["stops:1"], func(ctx context.Context, _ any) (any, error) {
			stop.Do(func() { close(stopped) })
			<-ctx.Done()
			return nil, ctx.Err()
		})
		serveOn(t, listeners["goes-on:1"], answerEmpty)
		dial := func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := listeners[address].DialContext(ctx)
			if err != nil || address != "stops:1" {
				return conn, err
			}
			return &stallable{Conn: conn, stalled: stopped, closed: make(chan struct{})}, nil
		}
		c, err := clientv3.New(clientv3.Config{
			Endpoints:   []string{"stops:1", "goes-on:1"},
			DialTimeout: time.Second,
			DialOptions: []grpc.DialOption{grpc.WithContextDialer(dial)},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		synctest.Wait() // until both are connected
		slowest := time.Duration(0)
		for range 4 {
			begun := time.Now()
			if _, err = c.Get(t.Context(), "k"); err != nil {
				t.Error(err)
			}
			slowest = max(slowest, time.Since(begun))
		}
		if slowest < 10*time.Second || slowest > 20*time.Second {
			t.Errorf("the slowest read took %v", slowest)
		}
	})
}
