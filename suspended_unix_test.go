//go:build unix

package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// suspendedURL names the server of the process that TestStallDetector_SuspendedProcess
// stops for a while.
const suspendedURL = "ETCD_CLIENT_TEST_SUSPENDED_URL"

// runSuspended is that process: a call and a watch, whose replies come while it is
// stopped.
func runSuspended(url string) {
	var unhealthy atomic.Int32
	c, err := client.New(client.Config{
		Endpoints: []string{url}, StallInterval: 200 * time.Millisecond,
		Trace: &client.Trace{EndpointUnhealthy: func(client.HealthInfo) { unhealthy.Add(1) }},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	kapi := client.NewKeysAPI(c)
	watched := make(chan error, 1)
	go func() {
		_, watchErr := kapi.Watcher("/watch", &client.WatcherOptions{AfterIndex: 6}).Next(context.Background())
		watched <- watchErr
	}()
	_, err = kapi.CreateInOrder(context.Background(), "/call", "1", nil)
	fmt.Println(err, <-watched, unhealthy.Load())
}

// A process that was stopped, or whose machine was, wakes to timers that are overdue.
// What has come meanwhile is in the kernel: it is read before anything is judged.
func TestStallDetector_SuspendedProcess(t *testing.T) {
	if url := os.Getenv(suspendedURL); url != "" {
		runSuspended(url)
		return
	}
	if testing.Short() {
		t.Skip("stops a process for two seconds")
	}
	stop, answer := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Etcd-Index", "7")
		switch {
		case req.URL.Path == "/health":
			fmt.Fprint(w, healthy)
			return
		case strings.HasSuffix(req.URL.Path, "/watch"):
			w.(http.Flusher).Flush()
		}
		stop <- struct{}{}
		<-answer
		fmt.Fprint(w, eventLine("create", strings.TrimPrefix(req.URL.Path, "/v2/keys"), 8))
	}))
	defer server.Close()
	process := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStallDetector_SuspendedProcess$")
	process.Env = append(os.Environ(), suspendedURL+"="+server.URL)
	var out strings.Builder
	process.Stdout = &out
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	<-stop
	<-stop
	signal := func(s syscall.Signal) {
		if err := process.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	close(answer)
	<-time.After(2 * time.Second) // much longer than its stall interval and its probes' time
	signal(syscall.SIGCONT)
	if err := process.Wait(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "<nil> <nil> 0\n") {
		t.Errorf("the process printed %q", out.String())
	}
}
