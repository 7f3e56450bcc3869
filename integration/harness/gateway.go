package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
)

// A Gateway is an HTTP reverse proxy before one server, of the kind that answers
// by itself, with a page for people, when it is told to. It is safe for
// concurrent use.
type Gateway struct {
	addr      string
	port      int
	server    *http.Server
	transport *http.Transport
	serving   sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	status   int        // of the page; zero passes requests on
	dropped  []string   // headers of replies
	answered int        // requests answered with the page
}

// StartGateway starts a gateway before the server at the URL. The caller must
// Close it.
func StartGateway(ctx context.Context, target string) (*Gateway, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("harness: gateway: %w", err)
	}
	own, err := ports.take(ctx, 1)
	if err != nil {
		return nil, err
	}
	listener, err := listenOn(ctx, own[0])
	if err != nil {
		ports.give(own...)
		return nil, fmt.Errorf("harness: gateway: %w", err)
	}
	g := &Gateway{
		addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(own[0])), port: own[0],
		transport: &http.Transport{MaxIdleConnsPerHost: 100},
	}
	quiet := log.New(io.Discard, "", 0) // What breaks here is what tests break.
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:      g.transport,
		ErrorLog:       quiet,
		FlushInterval:  -1, // At once: a watch's header comes before its event.
		ModifyResponse: g.modify,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { writePage(w, http.StatusBadGateway) },
	}
	g.server = &http.Server{Handler: g.handler(proxy), ErrorLog: quiet} //nolint:gosec // On loopback, without slow clients.
	g.serving.Go(func() {
		if err := g.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // The listener is its own.
		}
	})
	return g, nil
}

// URL returns where clients find the gateway.
func (g *Gateway) URL() string { return "http://" + g.addr }

// Answer makes the gateway answer every request with this status and a page in
// HTML; nothing is passed on. Zero makes it pass requests on again.
func (g *Gateway) Answer(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status = status
}

// DropHeaders makes the gateway leave these headers out of replies.
func (g *Gateway) DropHeaders(names ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropped = names
}

// Answered returns how many requests were answered with a page.
func (g *Gateway) Answered() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.answered
}

// Close ends the gateway, with all its connections, and waits for it.
func (g *Gateway) Close() {
	_ = g.server.Close() // Only the error of the listener, which is of no use any more.
	g.serving.Wait()
	g.transport.CloseIdleConnections()
	ports.give(g.port)
}

func (g *Gateway) handler(pass http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		status := g.status
		if status != 0 {
			g.answered++
		}
		g.mu.Unlock()
		if status != 0 {
			writePage(w, status)
			return
		}
		pass.ServeHTTP(w, r)
	})
}

func (g *Gateway) modify(resp *http.Response) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range g.dropped {
		resp.Header.Del(name)
	}
	return nil
}

// writePage writes what such gateways write.
func writePage(w http.ResponseWriter, status int) {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", text, text) //nolint:errcheck // Clients may leave.
}
