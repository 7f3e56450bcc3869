package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

const (
	workerDir = "/worker"
	workerTTL = 5 // seconds
	// workerPatience bounds what workers do when all members are healthy: a session
	// may have to end first, and the machine may have other things to do.
	workerPatience = 60 * time.Second
)

// TestWorkerExample runs examples/worker as its users do: three processes of it, on
// a cluster whose members are killed and stopped meanwhile.
func TestWorkerExample(t *testing.T) {
	program := filepath.Join(t.TempDir(), "worker")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./examples/worker")
	build.Dir = ".."
	build.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	onFaulty(t, func(s story) {
		f := newFactory(s, program)
		seen := f.observe()
		ann, bob, eve := f.start("ann"), f.start("bob"), f.start("eve")
		f.waitForRegistered("ann", "bob", "eve")
		f.request(10)

		// One member after the other, the leader among them, is killed or stopped.
		f.configure("pause", "300ms")
		for i, m := range f.c.Members() {
			end := []func(*testing.T, *harness.Cluster, *harness.Member) func(){killed, stopped, killed}[i](f.t, f.c, m)
			f.request(10)
			f.waitForResults(10 * (i + 1)) // two members are enough
			end()
		}

		// A worker dies at its work, which is another's when the TTL is over.
		f.configure("pause", "1h")
		f.request(3)
		f.waitForClaim(eve)
		eve.kill()
		f.configure("greeting", "moin")
		f.configure("pause", "10ms")
		ann.end()
		bob.end()
		ann, bob = f.start("ann"), f.start("bob")
		f.request(7)
		f.waitForResults(len(f.requests))
		f.waitForRegistered("ann", "bob")
		f.waitForSettings("moin", ann, bob)

		f.wantResults()
		ann.end()
		bob.end()
		f.wantNothingLeft()
		seen.check()
	})
}
