package client_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/coreos/etcd/client"
)

// srvStage is a client of SRV records before servers that can be switched off.
type srvStage struct {
	dns    *dnsServer
	f      *fakeTransport
	client client.Client
	kapi   client.KeysAPI

	mu      sync.Mutex // guards the fields below
	down    map[string]bool
	breaks  bool // those down break the connection when the request is there
	members string
	leader  string // answers who that is; empty: nobody
}

// newSRVScenario returns a scenario of https records.
func newSRVScenario(t *testing.T, cfg client.Config, records ...dnsmessage.SRVResource) *srvStage {
	t.Helper()
	s := &srvStage{dns: newDNSServer(t, srvRecords{secureName: records}), down: map[string]bool{}}
	answer := func(ok string) func(req *http.Request) fakeAnswer {
		return func(req *http.Request) fakeAnswer {
			s.mu.Lock()
			defer s.mu.Unlock()
			name, _, _ := strings.Cut(req.URL.Host, ".")
			switch {
			case name == "slow" && ok == "":
				return fakeAnswer{after: time.Hour, body: setReply}
			case s.down[name] && s.breaks:
				return fakeAnswer{err: errors.New("reset")}
			case s.down[name]:
				return fakeAnswer{notSent: true}
			case ok == "" && s.leader != "" && strings.HasSuffix(req.URL.Path, "/v2/members/leader"):
				return fakeAnswer{body: s.leader}
			case ok == "" && strings.HasSuffix(req.URL.Path, "/v2/members"):
				return fakeAnswer{body: s.members}
			case ok == "":
				return fakeAnswer{body: setReply}
			default:
				return fakeAnswer{body: ok}
			}
		}
	}
	s.f = newFakeTransport(t, answer(""))
	s.f.pulse = answer(healthy)
	cfg.Transport = s.f
	s.client = newSRVClient(t, s.dns, client.SRV{}, cfg)
	s.kapi = client.NewKeysAPI(s.client)
	return s
}

// turn switches servers off or on.
func (s *srvStage) turn(on bool, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		s.down[name] = !on
	}
}

// get makes a Get and gives the hosts it went to.
func (s *srvStage) get(t *testing.T) (string, error) {
	t.Helper()
	before := len(s.f.seen())
	_, err := s.kapi.Get(t.Context(), "/a", nil)
	return hostsSince(s.f, before), err
}

func (s *srvStage) wantGet(t *testing.T, want string) {
	t.Helper()
	if hosts, err := s.get(t); err != nil || hosts != want {
		t.Errorf("asked %s: %v; want %s", hosts, err, want)
	}
}

// firstPause is how long failing calls wait at first before they look up again.
const firstPause = time.Second

// pass lets time go by outside of the client, and what runs besides end.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // in a bubble
	synctest.Wait()
}
