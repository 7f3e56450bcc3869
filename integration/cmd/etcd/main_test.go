package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m, 1) }

// listen listens on 127.0.0.1; port 0 means one that is free.
func listen(t *testing.T, port int) (l net.Listener, on int) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // A test may have closed it.
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%v is no address of TCP", l.Addr())
	}
	return l, addr.Port
}

func TestRun(t *testing.T) {
	l, port := listen(t, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, write, port, nil)
		ended <- err
		_ = write.CloseWithError(fmt.Errorf("run has ended: %w", err)) // Always nil.
	}()
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	if want := "etcd 3.5 serves the v2 API on " + endpoint + ". "; !strings.HasPrefix(line, want) {
		t.Errorf("got %q, want %q", line, want)
	}
	c, err := client.New(client.Config{Endpoints: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.NewKeysAPI(c).Set(ctx, "/a", "b", nil); err != nil {
		t.Error(err)
	}

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after its context has ended: %v", err)
	}
	listen(t, port) // Nobody has it any more.
}

func TestRun_PortTaken(t *testing.T) {
	_, port := listen(t, 0)
	err := run(t.Context(), io.Discard, port, nil)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint("port ", port)) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v, want one that names port %d", err, port)
	}
}

func TestRun_BadInput(t *testing.T) {
	for want, err := range map[string]error{
		`"2379"`:   run(t.Context(), io.Discard, defaultPort, []string{"2379"}),
		"-port 0":  run(t.Context(), io.Discard, 0, nil),
		"-port 70": run(t.Context(), io.Discard, 70000, nil),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want one with %s", err, want)
		}
	}
}
