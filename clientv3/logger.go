package clientv3

import (
	"fmt"
	"sync"
)

// Logger is what a client reports to. A *log.Logger is one, and so is what
// slog.NewLogLogger makes of a slog.Handler. The client only prints: the Fatal
// methods are there because loggers made for gRPC have them. It must be safe for
// concurrent use.
type Logger interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Fatalln(args ...any)
	Print(args ...any)
	Printf(format string, args ...any)
	Println(args ...any)
}

// logf reports what no call can return.
func (c *Client) logf(format string, args ...any) {
	if c.config.Logger != nil {
		c.config.Logger.Printf("clientv3: "+format, args...)
	}
}

// failuresKept bounds what a client remembers for Errors.
const failuresKept = 32

// failureLog has the latest failures of connections.
type failureLog struct {
	mu     sync.Mutex // guards the fields below
	latest []error
}

func (l *failureLog) add(endpoint string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.latest) == failuresKept {
		l.latest = l.latest[1:]
	}
	l.latest = append(l.latest, fmt.Errorf("%s: %w", endpoint, err))
}

// last gives the latest failure, or nil.
func (l *failureLog) last() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.latest) == 0 {
		return nil
	}
	return l.latest[len(l.latest)-1]
}

func (l *failureLog) drain() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	drained := l.latest
	l.latest = nil
	return drained
}
