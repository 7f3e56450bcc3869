package harness

import (
	"context"
	"fmt"
	"net"
)

// freePorts returns n loopback ports that nothing listens on. Another process
// may take one before a server does: then the server's start fails.
func freePorts(ctx context.Context, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("harness: free port: %w", err)
		}
		defer func() { _ = l.Close() }() // Held until all are chosen, so that they differ.
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("harness: free port: address %v", l.Addr())
		}
		ports = append(ports, addr.Port)
	}
	return ports, nil
}
