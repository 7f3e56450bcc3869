package clientv3_test

import (
	"net"
	"sync"
	"testing"
)

// socketListener knows the sockets that it has accepted.
type socketListener struct {
	net.Listener

	mu      sync.Mutex // guards the field below
	sockets []net.Conn
}

func (l *socketListener) listen(t *testing.T) net.Listener {
	t.Helper()
	var err error
	if l.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *socketListener) Accept() (net.Conn, error) {
	socket, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.sockets = append(l.sockets, socket)
		l.mu.Unlock()
	}
	return socket, err
}

// breakAll ends all connections.
func (l *socketListener) breakAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, socket := range l.sockets {
		socket.Close()
	}
	l.sockets = nil
}

// refusing gives an address where nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
