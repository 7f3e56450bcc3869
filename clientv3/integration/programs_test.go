package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/etcd/client/integration/harness"
)

func TestProgramOfTheReadme(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "readme")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/readme").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			c := harness.Start(t, server, harness.Options{Members: 3})
			cmd := exec.CommandContext(t.Context(), program)
			cmd.Env = append(os.Environ(), "ENDPOINTS="+strings.Join(c.Endpoints(), ","))
			out, err := cmd.CombinedOutput()
			check(t, err)
			want(t, "output", string(out), `revision 2
client-side error: etcdserver: key is not provided
ctx is canceled by another routine
ctx is attached with a deadline and it exceeded
`)
		})
	}
}
