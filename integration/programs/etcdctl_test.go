package programs

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/etcd/client/integration/harness"
)

// An etcdctl is the program and the cluster it talks to.
type etcdctl struct {
	program string
	server  harness.Server
	cluster *harness.Cluster
}

// endpoints returns the value of --endpoints.
func (e *etcdctl) endpoints() string { return strings.Join(e.cluster.Endpoints(), ",") }

// env returns the environment of the commands.
func (e *etcdctl) env() []string {
	return []string{"ETCDCTL_API=2", "ETCDCTL_ENDPOINTS=" + e.endpoints()}
}

// run runs a command with time-outs that hold on a busy machine.
func (e *etcdctl) run(t *testing.T, args ...string) outcome {
	t.Helper()
	return run(t, e.env(), e.program, append([]string{"--timeout=15s", "--total-timeout=30s"}, args...)...)
}

// mustRun runs a command that must succeed, and returns its output.
func (e *etcdctl) mustRun(t *testing.T, args ...string) string {
	t.Helper()
	o := e.run(t, args...)
	if o.code != 0 {
		t.Fatalf("etcdctl %q: exit status %d\n%s%s", args, o.code, o.stdout, o.stderr)
	}
	return o.stdout
}

// kill kills a member and waits until the others get along without it.
func (e *etcdctl) kill(t *testing.T, m *harness.Member) {
	t.Helper()
	m.Kill()
	e.settle(t)
}

// settle waits until the members that run agree on a leader.
func (e *etcdctl) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTime)
	defer cancel()
	if err := e.cluster.WaitHealthy(ctx); err != nil {
		t.Fatal(err)
	}
}

// words are what transcripts have in place of what differs from run to run.
func (e *etcdctl) words() rewriter {
	var r rewriter
	put := func(pattern, word string) {
		r = append(r, rewriter{{regexp.MustCompile(pattern), word}}...)
	}
	for _, m := range e.cluster.Members() {
		put(regexp.QuoteMeta(m.ClientURL())+`\b`, "CLIENT-"+m.Name())
		put(regexp.QuoteMeta(m.PeerURL())+`\b`, "PEER-"+m.Name())
	}
	put(`\d{20}`, "INORDER")
	put(`\b[0-9a-f]{12,16}\b`, "ID")
	put(`(?m)\[\d+\]$`, "[INDEX]")
	put(`(Index"?: ?)\d+`, "${1}INDEX")
	put(`"expiration":"[^"]*"`, `"expiration":"TIME"`)
	put(`((?i:"?ttl"?): ?)(9\d|100)`, "${1}TTL") // Of 100 seconds some are over.
	return r
}

// runTranscript runs the commands of testdata/etcdctl/name.
func (e *etcdctl) runTranscript(t *testing.T, name string) {
	t.Helper()
	runTranscript(t, readTranscript(t, "etcdctl/"+name), e.words(), func(args ...string) outcome { return e.run(t, args...) })
}

func TestEtcdctl(t *testing.T) {
	t.Parallel()
	program := etcdctlModule.build(t, "go.etcd.io/etcd/etcdctl/v3", "build")
	for _, tt := range []struct {
		name    string
		members int
		run     func(t *testing.T, e *etcdctl)
	}{
		{"keys", 1, etcdctlKeys},
		{"watches", 1, etcdctlWatches},
		{"auth", 1, etcdctlAuth},
		{"members", 3, etcdctlMembers},
		{"endpoints", 3, etcdctlEndpoints},
	} {
		for _, s := range harness.Servers(t) {
			t.Run(tt.name+"/"+s.String(), func(t *testing.T) {
				t.Parallel()
				tt.run(t, &etcdctl{program, s, harness.Start(t, s, harness.Options{Members: tt.members})})
			})
		}
	}
	for _, s := range harness.Servers(t) {
		t.Run("tls/"+s.String(), func(t *testing.T) {
			t.Parallel()
			etcdctlTLS(t, program, s)
		})
	}
}

func etcdctlKeys(t *testing.T, e *etcdctl) {
	t.Helper()
	e.runTranscript(t, "keys.txt")
}

func etcdctlAuth(t *testing.T, e *etcdctl) {
	t.Helper()
	e.runTranscript(t, "auth.txt")
}

// etcdctlEndpoints lets etcdctl find the way to the cluster.
func etcdctlEndpoints(t *testing.T, e *etcdctl) {
	t.Helper()
	const dead = "http://127.0.0.1:1"
	e.mustRun(t, "set", "/k", "v")
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	want(e.mustRun(t, "--endpoints", dead+","+e.endpoints(), "get", "/k"), "v\n")
	want(e.mustRun(t, "--no-sync", "--endpoints", dead+","+e.endpoints(), "get", "/k"), "v\n")

	for _, args := range [][]string{{"get", "/k"}, {"--no-sync", "set", "/k", "x"}, {"member", "list"}, {"cluster-health"}} {
		o := e.run(t, append([]string{"--endpoints", dead}, args...)...)
		if o.code == 0 || !strings.Contains(o.stderr, "etcd cluster is unavailable or misconfigured") ||
			!strings.Contains(o.stderr, "connection refused") {
			t.Errorf("%q without a server: %+v", args, o)
		}
	}
	o := e.run(t, "--debug", "get", "/k")
	for _, part := range []string{"start to sync cluster using endpoints(", "curl -X GET", "/v2/keys/k"} {
		if !strings.Contains(o.stderr, part) {
			t.Errorf("--debug says nothing of %q:\n%s", part, o.stderr)
		}
	}

	// One member is gone, and whichever is asked first, the others answer.
	e.kill(t, e.cluster.Member(0))
	want(e.mustRun(t, "set", "/k", "w"), "w\n")
	want(e.mustRun(t, "get", "--quorum", "/k"), "w\n")
}
