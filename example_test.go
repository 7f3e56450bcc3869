package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/etcd/client"
)

// Set a key and read it. In place of server.URL stand the URLs of the members,
// such as "http://10.0.0.1:2379": name all of them, so that the client can go
// on when one fails.
func Example() {
	server := newExampleServer()
	defer server.Close()

	c, err := client.New(client.Config{Endpoints: []string{server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	kapi := client.NewKeysAPI(c)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err = kapi.Set(ctx, "/foo", "bar", nil); err != nil {
		fmt.Println(err)
		return
	}
	resp, err := kapi.Get(ctx, "/foo", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Node.Key, "=", resp.Node.Value)
	// Output: /foo = bar
}

// With TLS, the certificates are the transport's. One transport, made once, can
// serve many clients.
func ExampleConfig_tls() {
	authorities := x509.NewCertPool() // and AppendCertsFromPEM
	certificate := tls.Certificate{}  // from tls.LoadX509KeyPair

	c, err := client.New(client.Config{
		Endpoints: []string{"https://etcd1.example.com:2379", "https://etcd2.example.com:2379"},
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				RootCAs:      authorities,
				Certificates: []tls.Certificate{certificate},
				MinVersion:   tls.VersionTLS12,
			},
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: 64, // net/http keeps 2 where nothing is said
		},
		Username: "app",
		Password: "secret",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Endpoints())
	// Output: [https://etcd1.example.com:2379 https://etcd2.example.com:2379]
}

// loggingTransport prints each request of the transport that it wraps.
type loggingTransport struct {
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t loggingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		fmt.Println(req.Method, req.URL.Path, err)
		return nil, err
	}
	fmt.Println(req.Method, req.URL.Path, resp.StatusCode)
	return resp, nil
}

// Any http.RoundTripper is a transport: one that logs, that measures, that adds
// a header or a span. It sees each attempt, and must not change the request.
func ExampleCancelableTransport() {
	server := newExampleServer()
	defer server.Close()

	c, err := client.New(client.Config{
		Endpoints: []string{server.URL},
		Transport: loggingTransport{client.DefaultTransport},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	kapi := client.NewKeysAPI(c)
	if _, err = kapi.Set(context.Background(), "/foo", "bar", nil); err != nil {
		fmt.Println(err)
		return
	}
	if _, err = kapi.Get(context.Background(), "/fop", nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// PUT /v2/keys/foo 200
	// GET /v2/keys/fop 404
	// 100: Key not found (/fop) [1]
}

// AutoSync keeps the endpoints up to date for as long as its context lasts, in a
// goroutine of its own; cancel the context and wait for it to end it.
func ExampleClient_autoSync() {
	server := newExampleServer()
	defer server.Close()

	c, err := client.New(client.Config{Endpoints: []string{server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.AutoSync(ctx, time.Minute) }()

	// The client is in use here, by any number of goroutines.

	stop()
	fmt.Println("AutoSync ended:", <-ended)
	// Output: AutoSync ended: context canceled
}

// Any one of the members answers for the cluster.
func ExampleClient_getVersion() {
	server := newExampleServer()
	defer server.Close()

	c, err := client.New(client.Config{Endpoints: []string{server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	versions, err := c.GetVersion(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("server", versions.Server, "cluster", versions.Cluster)
	// Output: server 3.5.35 cluster 3.5.0
}
