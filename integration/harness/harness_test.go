package harness_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/coreos/etcd/client/integration/harness"
)

// helperVariable makes the test binary a program that starts a server and panics.
const helperVariable = "HARNESS_TEST_PANIC"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" {
		startAndPanic()
	}
	goleak.VerifyTestMain(m)
}

func startAndPanic() {
	ctx := context.Background()
	s, err := harness.BuildEtcd35(ctx)
	if err != nil {
		panic(err)
	}
	c, err := harness.StartCluster(ctx, s, harness.Options{Dir: os.Getenv(helperVariable)})
	if err != nil {
		panic(err)
	}
	fmt.Println(c.Endpoints()[0])
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	panic("as the test wants it")
}

func TestServersEndWithAPanickingProcess(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("helper: %v\n%s", err, &stderr)
	}
	endpoint := strings.TrimSpace(line)
	if err := health(t, endpoint); err != nil {
		t.Fatalf("the server does not run while its process does: %v", err)
	}

	if _, err := io.WriteString(stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the helper did not panic")
	}
	harness.WaitFor(t, 10*time.Second, func() error {
		if health(t, endpoint) == nil {
			return errors.New("the server outlives its process")
		}
		return nil
	})
}

func TestOneMemberIsKilledAndRestarted(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			m := c.Member(0)
			m.Kill()
			if err := health(t, m.ClientURL()); err == nil {
				t.Fatal("a killed member answers")
			}
			if err := m.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := health(t, m.ClientURL()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestThreeMembersOneStopped(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			if got := len(c.Endpoints()); got != 3 {
				t.Fatalf("%d endpoints", got)
			}
			m := c.Member(1)
			if err := m.Stop(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if err := get(ctx, m.ClientURL()+"/health"); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("a stopped member answers: %v", err)
			}
			if err := m.Cont(); err != nil {
				t.Fatal(err)
			}
			if err := c.WaitHealthy(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestServerThatCannotRunIsAnErrorWithItsLog(t *testing.T) {
	s := harness.Servers(t)[0]
	_, err := harness.StartCluster(t.Context(), s, harness.Options{Dir: "/dev/null"})
	if err == nil {
		t.Fatal("no error")
	}
	s.Path = "/bin/false"
	_, err = harness.StartCluster(t.Context(), s, harness.Options{})
	if err == nil || !strings.Contains(err.Error(), "member m0 ended") {
		t.Fatalf("got %v", err)
	}
}

func TestDNS(t *testing.T) {
	const service = "_etcd-client._tcp.example.com."
	many := make([]net.SRV, 40)
	for i := range many {
		many[i] = net.SRV{Target: fmt.Sprintf("host-%d.example.com.", i), Port: uint16(1000 + i), Priority: uint16(i)}
	}
	harness.UseDNS(t, harness.DNSRecords{
		SRV: map[string][]net.SRV{service: {{Target: "a.example.com.", Port: 2379, Priority: 1, Weight: 2}}, "_many._tcp.example.com.": many},
		A:   map[string]string{"a.example.com.": "127.0.0.1"},
	})
	r := net.DefaultResolver

	_, got, err := r.LookupSRV(t.Context(), "etcd-client", "tcp", "example.com")
	if err != nil {
		t.Fatal(err)
	}
	want := []*net.SRV{{Target: "a.example.com.", Port: 2379, Priority: 1, Weight: 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SRV (-want +got):\n%s", diff)
	}

	hosts, err := r.LookupHost(t.Context(), "a.example.com.")
	if diff := cmp.Diff([]string{"127.0.0.1"}, hosts); diff != "" || err != nil {
		t.Errorf("A: %v (-want +got):\n%s", err, diff)
	}

	_, got, err = r.LookupSRV(t.Context(), "many", "tcp", "example.com")
	if err != nil || len(got) != len(many) {
		t.Errorf("an answer too large for UDP: %d records, %v", len(got), err)
	}

	var dnsErr *net.DNSError
	if _, err := r.LookupHost(t.Context(), "other.example.com."); !errors.As(err, &dnsErr) || !dnsErr.IsNotFound {
		t.Errorf("other name: %v", err)
	}
}

func health(t *testing.T, endpoint string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return get(ctx, endpoint+"/health")
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
