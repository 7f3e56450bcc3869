package client_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/etcd/client"
)

// TestContractClusterID checks that the cluster that answered is named, whoever
// it is.
func TestContractClusterID(t *testing.T) {
	for _, m := range contractMethods {
		if !m.keysAPI {
			continue
		}
		stranger := m.good
		stranger.header = strings.Replace(stranger.header, "X-Etcd-Cluster-Id: c1", "X-Etcd-Cluster-Id: another", 1)
		got, err := m.call(t.Context(), newClient(t, script(t, stranger), contractOne))
		if resp, ok := got.(*client.Response); !ok || err != nil || resp.ClusterID != "another" {
			t.Errorf("%s: value %+v, error %v", m.name, got, err)
		}
	}
}

// TestContractV2NotEnabled checks that the 404 of a server without the v2 API is
// told as what it is, and that no other 404 is: every server has /version.
func TestContractV2NotEnabled(t *testing.T) {
	for _, m := range contractMethods {
		if m.isHarmless("404 text") {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			notFound := fakeAnswer{status: http.StatusNotFound, body: "404 page not found\n"}
			_, err := m.call(t.Context(), newClient(t, script(t, notFound), contractOne))
			if want := m.name != "Client.GetVersion"; errors.Is(err, client.ErrV2NotEnabled) != want {
				t.Errorf("error %v is ErrV2NotEnabled: %v, want %v", err, !want, want)
			}
		})
	}
}

// TestContractRedirectedRefusal checks that an error names who said it and not
// who sent the call there.
func TestContractRedirectedRefusal(t *testing.T) {
	var mu sync.Mutex
	first := ""
	transport := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		mu.Lock()
		defer mu.Unlock()
		if first == "" {
			first = req.URL.Host
			return fakeAnswer{status: http.StatusTemporaryRedirect, header: "Location: https://" + otherHost(first) + req.URL.RequestURI()}
		}
		return fakeAnswer{status: http.StatusNotFound, body: `{"errorCode":100,"message":"Key not found","cause":"/a","index":7}`}
	})
	_, err := client.NewKeysAPI(newClient(t, transport, contractOne, contractTwo)).Get(t.Context(), "/a", nil)
	var e client.Error
	if want := "https://" + otherHost(first) + "/base"; !errors.As(err, &e) || e.Endpoint != want {
		t.Errorf("error %#v, want one of %s", err, want)
	}
}

// TestContractDowngradeToAnEndpoint checks that a redirect from https to http is
// no way for secrets and writes even where it leads to a configured endpoint.
func TestContractDowngradeToAnEndpoint(t *testing.T) {
	const plain = "http://two/base"
	for _, m := range contractMethods {
		redirected := false
		transport := newFakeTransport(t, func(req *http.Request) fakeAnswer {
			if req.URL.Host == "one" {
				redirected = true
				return fakeAnswer{status: http.StatusTemporaryRedirect, header: "Location: http://two" + req.URL.RequestURI()}
			}
			return m.good
		})
		c := newClientOf(t, client.Config{Endpoints: []string{contractOne}, Transport: transport, Username: "root", Password: "secret"})
		if err := c.SetEndpoints([]string{contractOne, plain}); err != nil { // the pin stays on the first
			t.Fatal(err)
		}
		_, err := m.call(t.Context(), c)
		requests := transport.seen()
		if err != nil || !redirected || len(requests) != 2 {
			t.Fatalf("%s: error %v, requests %q", m.name, err, transport.lines())
		}
		// A read has followed without credentials. A write has not: the endpoint
		// was asked on its own account, as its configuration wants it.
		if authorized := requests[1].header.Get("Authorization") != ""; authorized != (m.class != reads) {
			t.Errorf("%s: %s with credentials: %v", m.name, requests[1].url, authorized)
		}
	}
}
