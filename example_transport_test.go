package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/coreos/etcd/client"
)

// What can't be used is said before anything is sent.
func ExampleNewTransport() {
	_, err := client.NewTransport(client.TransportOptions{
		CAFile:   "/etc/etcd/no-such-ca.pem",
		CertFile: "/etc/etcd/client.pem",
		KeyFile:  "/etc/etcd/client-key.pem",
	})
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	_, err = client.NewTransport(client.TransportOptions{CertFile: "/etc/etcd/client.pem"})
	fmt.Println(err)
	// Output:
	// true
	// client: invalid CertFile: it needs a KeyFile
}

// A server on a unix socket needs no transport of one's own.
func ExampleNew_unixSocket() {
	dir, err := os.MkdirTemp("/tmp", "etcd-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "etcd.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"action":"get","node":{"key":"/greeting","value":"hello"}}`) // etcd would ask its store
	})}
	go server.Serve(listener)
	defer server.Close()

	c, err := client.New(client.Config{Endpoints: []string{"unix://" + socket}})
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.NewKeysAPI(c).Get(context.Background(), "/greeting", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Node.Value)
	// Output: hello
}
