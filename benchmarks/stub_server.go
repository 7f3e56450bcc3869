package benchmarks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stubListeners is how many endpoints the stub has.
const stubListeners = 2

// streamChunk is how much of a stream is written at a time.
const streamChunk = 16 << 10

// serveStub answers as etcd would, with what it has ready, until its standard
// input ends. It writes its addresses to the first line of its output, and then, for
// each line of input, how many connections it has accepted since the last.
func serveStub(ctx context.Context, in io.Reader, out io.Writer) error {
	s := &stubServer{trees: map[int][]byte{}}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ConnState: s.count}
	var addresses []string
	for range stubListeners {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses = append(addresses, l.Addr().String())
		go func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				fmt.Fprintln(os.Stderr, "stub:", err)
			}
		}()
	}
	if _, err := fmt.Fprintln(out, strings.Join(addresses, " ")); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if _, err := fmt.Fprintln(out, s.accepted.Swap(0)); err != nil {
			return err
		}
	}
	return server.Close()
}

// stubServer is the handler of the stub.
type stubServer struct {
	accepted atomic.Int64
	requests atomic.Int64

	mu    sync.Mutex // guards the field below
	trees map[int][]byte
}

func (s *stubServer) count(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		s.accepted.Add(1)
	}
}

// ServeHTTP implements http.Handler.
func (s *stubServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, isKey := strings.CutPrefix(r.URL.Path, "/v2/keys")
	answer, index := smallGet(), uint64(bodyIndex)
	switch query := r.URL.Query(); {
	case !isKey:
		answer = []byte(wellBody) // what else clients ask for
	case r.Method == http.MethodPut:
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // the client is gone
		}
		answer = smallSet()
	case query.Get("wait") == "true":
		s.watch(w, r, key)
		return
	case strings.HasPrefix(key, treeKey+"/tree-"):
		nodes, err := strconv.Atoi(strings.TrimPrefix(key, treeKey+"/tree-"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		answer = s.tree(nodes)
	case key == eventKey:
		answer, index = []byte(`{"action":"get","node":{"key":"`+eventKey+`","dir":true,"modifiedIndex":4,"createdIndex":4}}`), firstEvent
	}
	s.setHeader(w, index)
	write(w, answer)
}

// stubTreeKey is the key below which the stub has so many nodes.
func stubTreeKey(nodes int) string { return treeKey + "/tree-" + strconv.Itoa(nodes) }

func (s *stubServer) tree(nodes int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trees[nodes] == nil {
		s.trees[nodes] = tree(nodes)
	}
	return s.trees[nodes]
}

// watch sends the header at once, as etcd does, and then the event of waitIndex;
// for a stream, which begins at the head, all that follow as well.
func (s *stubServer) watch(w http.ResponseWriter, r *http.Request, key string) {
	query := r.URL.Query()
	next := uint64(firstEvent + 1)
	if from := query.Get("waitIndex"); from != "" {
		var err error
		if next, err = strconv.ParseUint(from, 10, 64); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	s.setHeader(w, next-1)
	flush := http.NewResponseController(w).Flush
	if flush() != nil {
		return // the client is gone
	}
	switch {
	case key == idleKey:
		<-r.Context().Done()
	case query.Get("stream") == "true":
		chunk := make([]byte, 0, streamChunk+1<<10)
		for ; ; next++ {
			chunk = appendEvent(chunk, next)
			if len(chunk) < streamChunk {
				continue
			}
			if !write(w, chunk) || flush() != nil {
				return
			}
			chunk = chunk[:0]
		}
	default:
		write(w, appendEvent(nil, next))
	}
}

// setHeader sets the header of etcd, with a raft index that moves on as it does
// where anybody writes.
func (s *stubServer) setHeader(w http.ResponseWriter, index uint64) {
	maps.Copy(w.Header(), etcdHeader(index))
	w.Header()["X-Raft-Index"] = []string{strconv.FormatInt(bodyIndex+s.requests.Add(1), 10)}
}

// write is false when the client is gone, of which nobody wants to know more.
func write(w io.Writer, answer []byte) bool {
	_, err := w.Write(answer)
	return err == nil
}
