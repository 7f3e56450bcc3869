package programs

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client/integration/harness"
)

// memberLine is a line of `etcdctl member list`.
var memberLine = regexp.MustCompile(`(?m)^([0-9a-f]+): name=(\S+) peerURLs=(\S+) clientURLs=(\S+) isLeader=(true|false)$`)

// members returns the IDs that `etcdctl member list` prints, by name, and checks
// all it prints.
func (e *etcdctl) members(t *testing.T) map[string]string {
	t.Helper()
	got := e.mustRun(t, "member", "list")
	ids := map[string]string{}
	leaders := 0
	var lines []string
	for _, m := range memberLine.FindAllStringSubmatch(got, -1) {
		ids[m[2]] = m[1]
		if m[5] == "true" {
			leaders++
		}
		lines = append(lines, m[2]+" "+m[3]+" "+m[4])
	}
	want := make([]string, 0, len(e.cluster.Members()))
	for _, m := range e.cluster.Members() {
		want = append(want, m.Name()+" "+m.PeerURL()+" "+m.ClientURL())
	}
	slices.Sort(lines)
	slices.Sort(want)
	if diff := cmp.Diff(want, lines); diff != "" || leaders != 1 {
		t.Errorf("members, of which %d lead (-want +got):\n%s\n%s", leaders, diff, got)
	}
	return ids
}

// wantHealth checks what cluster-health prints: a line for each member and a
// verdict.
func (e *etcdctl) wantHealth(t *testing.T, verdict string, code int, down ...string) {
	t.Helper()
	ids := e.members(t)
	var want []string
	for _, m := range e.cluster.Members() {
		line := "member " + ids[m.Name()]
		if slices.Contains(down, m.Name()) {
			line += " is unreachable: [" + m.ClientURL() + "] are all unreachable"
		} else {
			line += " is healthy: got healthy result from " + m.ClientURL()
		}
		want = append(want, line)
	}
	o := e.run(t, "cluster-health")
	// An unreachable one is also reported by the error of asking it.
	got := slices.DeleteFunc(strings.Split(strings.TrimSpace(o.stdout), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "failed to check the health of member")
	})
	if len(got) > 0 {
		if last := got[len(got)-1]; last != verdict {
			t.Errorf("cluster-health ends with %q, want %q", last, verdict)
		}
		got = got[:len(got)-1]
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || o.code != code {
		t.Errorf("cluster-health, exit status %d, want %d (-want +got):\n%s\n%s", o.code, code, diff, o.stderr)
	}
}

func etcdctlMembers(t *testing.T, e *etcdctl) {
	t.Helper()
	e.wantHealth(t, "cluster is healthy", 0)

	joining := must[*harness.Member](t)(e.cluster.NewMember(t.Context()))
	added := e.mustRun(t, "member", "add", joining.Name(), joining.PeerURL())
	said := regexp.MustCompile(`^Added member named ` + joining.Name() + ` with ID ([0-9a-f]+) to cluster\n\n` +
		`ETCD_NAME="` + joining.Name() + `"\nETCD_INITIAL_CLUSTER="(\S+)"\nETCD_INITIAL_CLUSTER_STATE="existing"\n`)
	m := said.FindStringSubmatch(added)
	if m == nil {
		t.Fatalf("member add printed %q", added)
	}
	initial := map[string]string{}
	for pair := range strings.SplitSeq(m[2], ",") {
		name, peer, _ := strings.Cut(pair, "=")
		initial[name] = peer
	}
	for _, member := range e.cluster.Members() {
		if initial[member.Name()] != member.PeerURL() {
			t.Errorf("%s is not in ETCD_INITIAL_CLUSTER=%q", member.Name(), m[2])
		}
	}
	if err := joining.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	ids := e.members(t)
	if ids[joining.Name()] != m[1] {
		t.Errorf("the new member is %s among %v, want %s", joining.Name(), slices.Collect(maps.Values(ids)), m[1])
	}

	if got, want := e.mustRun(t, "member", "update", m[1], joining.PeerURL()), "Updated member with ID "+m[1]+" in cluster\n"; got != want {
		t.Errorf("member update printed %q, want %q", got, want)
	}
	o := e.run(t, "member", "update", "1", joining.PeerURL())
	if o.code != 1 || !strings.HasSuffix(strings.TrimSpace(o.stderr), "No such member: 1") {
		t.Errorf("member update of an unknown one: %+v", o)
	}
	o = e.run(t, "member", "remove", "1")
	if want := (outcome{"", "Couldn't find a member in the cluster with an ID of 1.\n", 1}); o != want {
		t.Errorf("member remove of an unknown one: %+v, want %+v", o, want)
	}
	// Asked itself, the member may stop before it answers.
	others := []string{"--no-sync", "--endpoints", strings.Join(e.cluster.Endpoints()[:3], ",")}
	if got, want := e.mustRun(t, append(others, "member", "remove", m[1])...), "Removed member "+m[1]+" from cluster\n"; got != want {
		t.Errorf("member remove printed %q, want %q", got, want)
	}
	e.cluster.Forget(joining)
	e.settle(t)
	e.wantHealth(t, "cluster is healthy", 0)

	e.kill(t, e.cluster.Member(2))
	e.wantHealth(t, "cluster is degraded", 5, e.cluster.Member(2).Name())
}

// etcdctlTLS has servers that want a certificate of their clients.
func etcdctlTLS(t *testing.T, program string, s harness.Server) {
	t.Helper()
	ca := must[*harness.CA](t)(harness.NewCA())
	server := &harness.ServerTLS{CA: ca, Cert: must[harness.KeyPair](t)(ca.Issue("server")), ClientAuth: true}
	e := &etcdctl{program, s, harness.Start(t, s, harness.Options{TLS: server})}
	own := must[harness.KeyPair](t)(ca.Issue("etcdctl"))
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	flags := []string{
		"--ca-file", write("ca.pem", ca.PEM()),
		"--cert-file", write("own.pem", own.CertPEM), "--key-file", write("own.key", own.KeyPEM),
	}
	for _, args := range [][]string{{"set", "/k", "v"}, {"get", "/k"}} {
		if got := e.mustRun(t, append(slices.Clone(flags), args...)...); got != "v\n" {
			t.Errorf("%q printed %q, want v", args, got)
		}
	}
	if o := e.run(t, append(flags[:2:2], "get", "/k")...); o.code == 0 || !strings.Contains(o.stderr, "certificate") {
		t.Errorf("without a certificate: %+v", o)
	}
}
