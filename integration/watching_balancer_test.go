package integration

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// A balancer stands between clients and a member, and ends what is quiet.
type balancer struct {
	url   string
	polls atomic.Int64 // long polls that came
}

// closingBalancer closes connections on which nothing has come for a while.
func closingBalancer(t *testing.T, target string, idle time.Duration) *balancer {
	t.Helper()
	l := must[net.Listener](t)((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))
	b := &balancer{url: "http://" + l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { b.relay(t.Context(), conn, strings.TrimPrefix(target, "http://"), idle) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return b
}

// relay closes both connections in an orderly way when neither side says anything.
func (b *balancer) relay(ctx context.Context, conn net.Conn, target string, idle time.Duration) {
	defer func() { _ = conn.Close() }()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	bothEnd := sync.OnceFunc(func() {
		_ = conn.SetDeadline(time.Now())
		_ = server.SetDeadline(time.Now())
	})
	defer context.AfterFunc(ctx, bothEnd)()
	quiet := time.AfterFunc(idle, bothEnd)
	defer quiet.Stop()
	var both sync.WaitGroup
	pass := func(to, from net.Conn, saw func(part string)) {
		both.Go(func() {
			defer bothEnd()
			buf := make([]byte, 32<<10)
			for {
				n, err := from.Read(buf)
				if err != nil {
					return
				}
				quiet.Reset(idle)
				saw(string(buf[:n]))
				if _, err = to.Write(buf[:n]); err != nil {
					return
				}
			}
		})
	}
	pass(server, conn, func(part string) {
		if strings.Contains(part, "wait=true") {
			b.polls.Add(1)
		}
	})
	pass(conn, server, func(string) {})
	both.Wait()
}

// answeringBalancer keeps the replies to long polls until they are whole, and
// ends those that take too long in its own way.
func answeringBalancer(t *testing.T, target string, patience time.Duration, end func(w http.ResponseWriter, came []byte)) *balancer {
	t.Helper()
	b := &balancer{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithCancel(req.Context())
		defer cancel()
		isPoll := strings.Contains(req.URL.RawQuery, "wait=true")
		if isPoll {
			b.polls.Add(1)
		}
		out, err := http.NewRequestWithContext(ctx, req.Method, target+req.URL.RequestURI(), req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		out.Header = req.Header
		resp, err := client.DefaultTransport.RoundTrip(out)
		if err != nil {
			gatewayTimeout(w, nil)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		if isPoll {
			timer := time.AfterFunc(patience, cancel)
			defer timer.Stop()
		}
		body, err := io.ReadAll(resp.Body)
		maps.Copy(w.Header(), resp.Header)
		if err != nil {
			end(w, body)
			return
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(body) // The client may be gone.
	}))
	t.Cleanup(s.Close)
	b.url = s.URL
	return b
}

func gatewayTimeout(w http.ResponseWriter, _ []byte) {
	http.Error(w, "<html>504 Gateway Time-out</html>", http.StatusGatewayTimeout)
}

// orderly passes on what has come, which is nothing as a rule, as the server
// itself does when a long poll has taken too long.
func orderly(w http.ResponseWriter, came []byte) {
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(came) // The client may be gone.
}

// Between a watch and its member, quiet replies are ended again and again: the
// watch says nothing, asks no more than it must, and sees all.
func TestQuietPollsThatAreEnded(t *testing.T) {
	kinds := []struct {
		name     string
		patience time.Duration
		end      func(w http.ResponseWriter, came []byte) // nil: the connections end
		polls    int64                                    // at most, in the time of quiet
	}{
		{"closed after 2 s", 2 * time.Second, nil, 3},
		{"504 after 1 s", time.Second, gatewayTimeout, 5},
		{"empty 200 after 1 s", time.Second, orderly, 5},
		{"empty 200 at once", 20 * time.Millisecond, orderly, 8},
	}
	t.Parallel()
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := harness.Start(t, s, harness.Options{})
			var wg sync.WaitGroup
			defer wg.Wait()
			for _, kind := range kinds {
				wg.Go(func() {
					t.Run(kind.name, func(t *testing.T) {
						var b *balancer
						if kind.end == nil {
							b = closingBalancer(t, c.Endpoints()[0], kind.patience)
						} else {
							b = answeringBalancer(t, c.Endpoints()[0], kind.patience, kind.end)
						}
						throughBalancer(t, c, b, kind.polls)
					})
				})
			}
		})
	}
}

func throughBalancer(t *testing.T, c *harness.Cluster, b *balancer, most int64) {
	t.Helper()
	const quiet, rounds = 3 * time.Second, 2
	dir := uniqueKey("quiet")
	direct, ctx := newKeys(t, c)
	var all ledger
	write := func(key string) {
		resp, err := direct.Set(ctx, key, "v", nil)
		mustResponse(t, resp, err)
		all.add(ackedWrite{resp.Node.ModifiedIndex, key, "v", time.Now()})
	}
	write(dir + "/k0")
	followers := watchers(dir, all.last(""))[:4] // From now on is not known where the header is held back.
	watching, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, f := range followers {
		kapi := client.NewKeysAPI(must[client.Client](t)(client.New(client.Config{Endpoints: []string{b.url}})))
		wg.Go(func() { f.err = f.follow(watching, kapi, f.trail) })
	}
	for range rounds {
		before := b.polls.Load()
		pause(quiet)
		if n := b.polls.Load() - before; n > most*int64(len(followers)) {
			t.Errorf("%d polls of %d watches in %v", n, len(followers), quiet)
		}
		for range 5 {
			write(dir + "/k1")
			write(dir + "/k0")
			pause(130 * time.Millisecond)
		}
		late := time.Now().Add(5 * time.Second)
		for _, f := range followers {
			for !f.reached(all.last(f.key)) && time.Now().Before(late) {
				pause(10 * time.Millisecond)
			}
		}
	}
	stop()
	wg.Wait()
	for _, f := range followers {
		for _, hole := range f.holes(all.all()) {
			t.Errorf("%s: %s", f.name, hole)
		}
		if f.fails > 0 || len(f.losses) > 0 {
			t.Errorf("%s: %d errors, %d losses", f.name, f.fails, len(f.losses))
		}
		if !isBare(f.err, context.Canceled) {
			t.Errorf("%s: ended with %T (%v)", f.name, f.err, f.err)
		}
	}
	t.Logf("%d polls", b.polls.Load())
}
