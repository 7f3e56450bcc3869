package harness_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// patience is more than a busy member takes to answer.
const patience = 20 * time.Second

// put sets a key, on a connection of its own.
func put(t *testing.T, endpoint, key string) error {
	t.Helper()
	return putWithin(t, patience, endpoint, key)
}

// putWithin is put that does not wait longer than that for an answer.
func putWithin(t *testing.T, timeout time.Duration, endpoint, key string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, endpoint+"/v2/keys"+key, strings.NewReader("value=v"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Close = true
	transport := &http.Transport{ResponseHeaderTimeout: timeout}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}

func TestProxyMakesFaults(t *testing.T) {
	isReset := func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
	isTimeout := func(err error) bool { return err != nil && strings.Contains(err.Error(), "timeout") }
	kinds := map[string]struct {
		fault   harness.Fault
		timeout time.Duration
		wants   func(error) bool
		writes  bool
	}{
		"lose-answer":   {harness.Fault{Kind: harness.LoseAnswer}, patience, isReset, true},
		"reset":         {harness.Fault{Kind: harness.ResetBeforeHeaders}, patience, isReset, false},
		"reset-in-body": {harness.Fault{Kind: harness.ResetMidBody}, patience, func(err error) bool { return isReset(err) || errors.Is(err, io.ErrUnexpectedEOF) }, true},
		"stall":         {harness.Fault{Kind: harness.Stall}, 500 * time.Millisecond, isTimeout, false},
		"slow":          {harness.Fault{Kind: harness.Slow, Delay: time.Second}, 500 * time.Millisecond, isTimeout, true},
	}
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Proxied: true})
			m := c.Member(0)
			for name, want := range kinds {
				t.Run(name, func(t *testing.T) {
					want.fault.Match = harness.Match{Method: http.MethodPut, Path: "/v2/keys/" + name}
					want.fault.Count = 1
					m.Proxy().Inject(want.fault)
					if err := put(t, m.ClientURL(), "/other"); err != nil {
						t.Errorf("a request that does not match: %v", err)
					}
					if err := putWithin(t, want.timeout, m.ClientURL(), "/"+name); !want.wants(err) {
						t.Errorf("got %v", err)
					}
					written := func() error { return get(t.Context(), m.ClientURL()+"/v2/keys/"+name) }
					if want.writes {
						harness.WaitFor(t, patience, written)
					} else if written() == nil {
						t.Error("the key is written")
					}
					if err := put(t, m.ClientURL(), "/"+name); err != nil {
						t.Errorf("the second request: %v", err)
					}
				})
			}
			m.Kill()
			if err := get(t.Context(), m.ClientURL()+"/health"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("killed: %v", err)
			}
			if err := m.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := put(t, m.ClientURL(), "/again"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPartition(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := harness.Start(t, s, harness.Options{Members: 3, Proxied: true})
			for _, m := range c.Members() {
				if err := c.Partition(m); err != nil {
					t.Fatal(err)
				}
				harness.WaitFor(t, 30*time.Second, func() error {
					if health(t, m.ClientURL()) == nil {
						return errors.New("the member that is cut off is healthy")
					}
					for _, other := range c.Members() {
						if other == m {
							continue
						}
						if err := put(t, other.ClientURL(), "/k"); err != nil {
							return err
						}
					}
					return nil
				})
				c.Heal()
				if err := c.WaitHealthy(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
