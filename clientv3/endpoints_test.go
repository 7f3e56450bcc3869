package clientv3_test

import (
	"context"
	"errors"
	"log"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/coreos/etcd/clientv3"
)

// logBuffer is what a Logger has written.
type logBuffer struct {
	mu   sync.Mutex // guards the field below
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestWrongEndpoints(t *testing.T) {
	for endpoint, says := range map[string]string{
		"":                       "an empty endpoint",
		"host":                   `"host" is neither a URL nor host:port`,
		"host:":                  `"host:" is neither a URL nor host:port`,
		"::1:2379":               `"::1:2379" is neither a URL nor host:port`,
		"ftp://h:1":              `the scheme "ftp"`,
		"http://":                "no host",
		"http://h:1/v3":          "more than a host and a port",
		"http://h:1?a=b":         "more than a host and a port",
		"http://root:secret@h:1": "has a user",
		"http://h:x\n":           "not a URL",
		"unix:":                  `"unix:" has no path`,
		"unixs://":               `"unixs://" has no path`,
	} {
		for name, open := range map[string]func() (*clientv3.Client, error){
			"New": func() (*clientv3.Client, error) {
				return clientv3.New(clientv3.Config{Endpoints: []string{"h:1", endpoint}})
			},
			"NewFromURL":  func() (*clientv3.Client, error) { return clientv3.NewFromURL(endpoint) },
			"NewFromURLs": func() (*clientv3.Client, error) { return clientv3.NewFromURLs([]string{endpoint}) },
		} {
			_, err := open()
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s of %q: %v", name, endpoint, err)
			}
		}
	}
}

// TestEndpointForms reaches one member in each way that an endpoint may be
// written.
func TestEndpointForms(t *testing.T) {
	tcp := serve(t, answerEmpty)
	path := filepath.Join(t.TempDir(), "etcd.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	unix := serveOn(t, listener, answerEmpty)
	_, port, err := net.SplitHostPort(tcp.addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		endpoint, authority string
		member              *member
	}{
		{tcp.addr, tcp.addr, tcp},
		{":" + port, "localhost:" + port, tcp},
		{"http://" + tcp.addr, tcp.addr, tcp},
		{"http://" + tcp.addr + "/", tcp.addr, tcp},
		{"unix:" + path, "localhost", unix},
		{"unix://" + path, "localhost", unix},
	} {
		c := connect(t, clientv3.Config{Endpoints: []string{test.endpoint}})
		if _, err := c.Get(soon(t), "k"); err != nil {
			t.Errorf("%s: %v", test.endpoint, err)
			continue
		}
		got := test.member.got()
		if authority := got[len(got)-1].authority; authority != test.authority {
			t.Errorf("%s: authority %q, not %q", test.endpoint, authority, test.authority)
		}
		if _, err := c.Status(soon(t), test.endpoint); err != nil {
			t.Errorf("status of %s: %v", test.endpoint, err)
		}
	}
}

func TestCallsGoToAllEndpoints(t *testing.T) {
	var members []*member
	var endpoints []string
	for range 3 {
		m := serve(t, answerEmpty)
		members, endpoints = append(members, m), append(endpoints, m.addr)
	}
	c := connect(t, clientv3.Config{Endpoints: endpoints, DialTimeout: patience})
	for _, m := range members {
		await(t, "each member has served", func() bool {
			if _, err := c.Get(soon(t), "k"); err != nil {
				t.Fatal(err)
			}
			return len(m.got()) > 0
		})
	}
}

// TestUnhealthyMemberIsLeftAlone has a member that says so, as one does while it
// defragments.
func TestUnhealthyMemberIsLeftAlone(t *testing.T) {
	well, sick := serve(t, answerEmpty), serve(t, answerEmpty)
	sick.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	c := connect(t, clientv3.Config{Endpoints: []string{well.addr, sick.addr}, DialTimeout: patience})
	for range 20 {
		if _, err := c.Put(soon(t), "k", "v"); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(sick.got()); got != 0 {
		t.Errorf("the unhealthy member got %d requests", got)
	}
	sick.health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	await(t, "the member is well again", func() bool {
		if _, err := c.Put(soon(t), "k", "v"); err != nil {
			t.Fatal(err)
		}
		return len(sick.got()) > 0
	})
}

func TestSetEndpoints(t *testing.T) {
	before, after := serve(t, answerEmpty), serve(t, answerEmpty)
	var logged logBuffer
	c := connect(t, clientv3.Config{Endpoints: []string{before.addr}, Logger: log.New(&logged, "", 0)})
	if _, err := c.Get(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	c.SetEndpoints(after.addr)
	if got := c.Endpoints(); !slices.Equal(got, []string{after.addr}) {
		t.Errorf("endpoints are %v", got)
	}
	await(t, "the other endpoint serves", func() bool {
		if _, err := c.Get(soon(t), "k"); err != nil {
			t.Fatal(err)
		}
		return len(after.got()) > 0
	})
	for _, wrong := range [][]string{{}, {""}, {before.addr, "ftp://h"}} {
		c.SetEndpoints(wrong...)
		if got := c.Endpoints(); !slices.Equal(got, []string{after.addr}) {
			t.Errorf("after %q endpoints are %v", wrong, got)
		}
	}
	if got := strings.Count(logged.String(), "clientv3: endpoints not changed: "); got != 3 {
		t.Errorf("logged %q", logged.String())
	}
}

// membership answers MemberList by a member at each of urls.
func membership(urls *atomic.Pointer[[]string]) answerFunc {
	return func(ctx context.Context, message any) (any, error) {
		if _, ok := message.(*pb.MemberListRequest); !ok {
			return answerEmpty(ctx, message)
		}
		list := &pb.MemberListResponse{Members: []*pb.Member{
			{Name: "", ClientURLs: []string{"http://not-started:1"}},
			{Name: "learner", IsLearner: true, ClientURLs: []string{"http://learner:1"}},
		}}
		for _, url := range *urls.Load() {
			list.Members = append(list.Members, &pb.Member{Name: url, ClientURLs: []string{url, url}})
		}
		return list, nil
	}
}

func TestSync(t *testing.T) {
	var urls atomic.Pointer[[]string]
	m := serve(t, membership(&urls))
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
	for _, advertised := range [][]string{
		{"http://" + m.addr},
		{"http://" + m.addr, "http://" + refusing(t)},
	} {
		urls.Store(&advertised)
		if err := c.Sync(soon(t)); err != nil {
			t.Fatal(err)
		}
		slices.Sort(advertised)
		if got := c.Endpoints(); !slices.Equal(got, advertised) {
			t.Errorf("endpoints are %v, not %v", got, advertised)
		}
	}
	before := c.Endpoints()
	for _, advertised := range [][]string{{}, {"ftp://h"}} {
		urls.Store(&advertised)
		if err := c.Sync(soon(t)); err == nil {
			t.Errorf("no error for %v", advertised)
		}
		if got := c.Endpoints(); !slices.Equal(got, before) {
			t.Errorf("endpoints are %v", got)
		}
	}
}

func TestAutoSync(t *testing.T) {
	var urls atomic.Pointer[[]string]
	m := serve(t, membership(&urls))
	urls.Store(&[]string{})
	var logged logBuffer
	c := connect(t, clientv3.Config{
		Endpoints:        []string{m.addr},
		AutoSyncInterval: time.Millisecond,
		Logger:           log.New(&logged, "", 0),
	})
	await(t, "a failure is logged", func() bool { return strings.Contains(logged.String(), "clientv3: sync of the endpoints: ") })
	want := []string{"http://" + m.addr}
	urls.Store(&want)
	await(t, "the endpoints are synced", func() bool { return slices.Equal(c.Endpoints(), want) })
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	after := count[*pb.MemberListRequest](m)
	if err := c.Close(); err != nil || count[*pb.MemberListRequest](m) != after {
		t.Errorf("syncs after Close, or %v", err)
	}
}

func TestRetryDialer(t *testing.T) {
	m := serve(t, answerEmpty)
	c := connect(t, clientv3.Config{
		Endpoints: []string{"http://not-this-one:1", m.addr},
		RetryDialer: func(c *clientv3.Client) (*grpc.ClientConn, error) {
			return c.Dial(c.Endpoints()[1])
		},
	})
	if _, err := c.Put(soon(t), "k", "v"); err != nil {
		t.Error(err)
	}
	no := errors.New("no")
	_, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{m.addr},
		RetryDialer: func(*clientv3.Client) (*grpc.ClientConn, error) { return nil, no },
	})
	if !errors.Is(err, no) {
		t.Errorf("got error %v", err)
	}
}
