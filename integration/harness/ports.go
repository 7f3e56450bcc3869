package harness

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
)

// Ports of members and proxies are not those that the kernel gives: a killed
// member's port must be its own when it comes back, and until then must belong
// to nobody, least of all to a member of another cluster. So they come from below
// the ports of outgoing connections, in blocks that belong to one process each:
// it is the one that listens on the block's first port.
const (
	firstBlock = 10_000
	endOfPorts = 32_000
	blockSize  = 100
)

// portBook hands ports out. It is safe for concurrent use.
type portBook struct {
	mu    sync.Mutex // guards the fields below
	free  []int      // of the blocks held; given back ones last
	next  int        // the next block to try; zero: the first
	locks []net.Listener
}

var ports portBook //nolint:gochecknoglobals // blocks belong to a process

// take gives n ports that are the caller's until given back.
func (b *portBook) take(ctx context.Context, n int) ([]int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var taken []int
	for len(taken) < n {
		if len(b.free) == 0 {
			if err := b.holdBlock(ctx); err != nil {
				b.free = append(b.free, taken...)
				return nil, err
			}
		}
		port := b.free[0]
		b.free = b.free[1:]
		if l, err := listenOn(ctx, port); err == nil { // something else may have it
			_ = l.Close() // Nothing came in.
			taken = append(taken, port)
		}
	}
	return taken, nil
}

// give takes ports back.
func (b *portBook) give(ports ...int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, ports...)
}

// holdBlock makes another block this process's own, until the process ends.
func (b *portBook) holdBlock(ctx context.Context) error {
	for b.next = max(b.next, firstBlock); b.next < endOfPorts; b.next += blockSize {
		l, err := listenOn(ctx, b.next)
		if err != nil {
			continue
		}
		b.locks = append(b.locks, l)
		for port := b.next + 1; port < b.next+blockSize; port++ {
			b.free = append(b.free, port)
		}
		return nil
	}
	return errors.New("harness: no free ports")
}

func listenOn(ctx context.Context, port int) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
