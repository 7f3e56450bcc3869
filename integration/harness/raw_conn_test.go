package harness_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// A talk is a client with one connection, which it keeps.
type talk struct{ http.Client }

func newTalk(t *testing.T) *talk {
	t.Helper()
	transport := &http.Transport{ResponseHeaderTimeout: 500 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	return &talk{http.Client{Transport: transport}}
}

func (k *talk) put(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader("value=v"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := k.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}

func TestRawProxyBreaksConnections(t *testing.T) {
	isTimeout := func(err error) bool {
		var timeout net.Error
		return errors.As(err, &timeout) && timeout.Timeout()
	}
	isGone := func(err error) bool {
		return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
	}
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{RawProxies: true})
			m := c.Member(0)
			for name, broken := range map[string]struct {
				fault  func()
				wants  func(error) bool
				writes bool
			}{
				"lost answers": {m.Proxy().LoseAnswers, isTimeout, true},
				"black hole":   {m.Proxy().Blackhole, isTimeout, false},
				"refused":      {m.Proxy().Refuse, isGone, false},
			} {
				t.Run(name, func(t *testing.T) {
					k, key := newTalk(t), m.ClientURL()+"/v2/keys/"+strings.ReplaceAll(name, " ", "-")
					harness.WaitFor(t, 10*time.Second, func() error { return k.put(t.Context(), m.ClientURL()+"/v2/keys/other") })
					broken.fault()
					if err := k.put(t.Context(), key); !broken.wants(err) {
						t.Errorf("got %v", err)
					}
					if err := m.Proxy().Accept(t.Context()); err != nil {
						t.Fatal(err)
					}
					m.Proxy().Reset()
					if broken.writes {
						harness.WaitFor(t, 10*time.Second, func() error { return get(t.Context(), key) })
					} else if err := get(t.Context(), key); err == nil {
						t.Error("the key is there")
					}
				})
			}
		})
	}
}
