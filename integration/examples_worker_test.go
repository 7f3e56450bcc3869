package integration

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

const (
	workerDir = "/worker"
	workerTTL = 8 // seconds
	// workerPatience bounds what workers do: sessions may have to end first, and the
	// machine may have other things to do.
	workerPatience = 60 * time.Second
)

// TestWorkerExample runs examples/worker as its users do: three processes of it, on
// a cluster whose members are killed and stopped meanwhile.
func TestWorkerExample(t *testing.T) {
	program := filepath.Join(t.TempDir(), "worker")
	goBuild := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./examples/worker")
	goBuild.Dir = ".."
	goBuild.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := goBuild.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	onFaultyCluster(t, func(s env) {
		f := &factory{env: s, began: time.Now(), program: program, kapi: freshKeys(s.t, s.c)}
		inspector := f.inspect()
		ann, bob, eve := f.start("ann"), f.start("bob"), f.start("eve")
		f.configure("pause", "100ms")
		f.waitForRegistered(ann, bob, eve)

		// One member after the other is killed or stopped, the leader of the cluster
		// among them. The others are enough.
		faults := []func(*testing.T, *harness.Cluster, *harness.Member) func(){killed, stopped, killed}
		for i, m := range f.c.Members() {
			f.request(5)
			end := faults[i](f.t, f.c, m)
			f.request(5)
			f.waitForResults()
			end()
		}

		// Each worker has one of three jobs when their leader dies, and another one
		// stands still until its session is over.
		f.configure("pause", "1s")
		f.waitForSettings("pause=1s", ann, bob, eve)
		f.keepBusy(3)
		dead, still, third := f.leaderFirst(ann, bob, eve)
		dead.kill()
		still.signal(syscall.SIGSTOP)
		f.request(1)
		f.waitForResults()
		f.waitForRegistered(third)
		still.signal(syscall.SIGCONT)
		f.waitForRegistered(still, third)

		f.configure("pause", "10ms")
		f.configure("greeting", "moin")
		f.waitForSettings("greeting=moin parallel=1 pause=10ms", still, third)
		f.greeting = "moin"
		f.request(5)
		f.waitForResults()

		// Who leaves is gone at once, and nothing has to be waited for.
		f.leave(third)
		f.wantGone(third)
		f.request(1)
		f.waitForResults()
		for _, dir := range []string{"/requests", "/queue/items"} {
			f.waitForCount(workerDir+dir, 0) // they go after the result has come
		}
		f.leave(still)
		for _, dir := range []string{"/worker/workers", "/worker/leader", "/worker/requests", "/worker/queue/claims"} {
			if left := f.children(dir); len(left) > 0 {
				f.t.Errorf("%s has %v", dir, left)
			}
		}
		inspector.stop()
	})
}

// leadership is what leaders write.
type leadership struct {
	Leader string
	Fence  uint64
}

// inspector looks at what leaders write.
type inspector struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}

	// The leader that wrote last, and the leaders by their fences.
	fence   uint64
	leaders map[uint64]string

	newest string // the item that was put into the queue last
	items  map[string]bool
}

// inspect checks from now on that there is one leader at a time, and that it puts
// jobs into the queue in the order of their requests.
func (f *factory) inspect() *inspector {
	ctx, cancel := context.WithCancel(f.t.Context())
	i := &inspector{t: f.t, cancel: cancel, done: make(chan struct{}), leaders: map[uint64]string{}, items: map[string]bool{}}
	kapi := freshKeys(f.t, f.c)
	go func() {
		defer close(i.done)
		for event, err := range client.Events(ctx, kapi, workerDir, &client.EventsOptions{Recursive: true, Snapshot: true}) {
			switch {
			case ctx.Err() != nil:
			case err != nil:
				i.t.Errorf("inspector: %v", err)
			default:
				i.look(event)
			}
		}
	}()
	f.t.Cleanup(func() { cancel(); <-i.done })
	return i
}

// look looks at an event. After a resync, items are missing that were put in and
// done meanwhile, so that the order can only be told of those that are there.
func (i *inspector) look(event *client.Event) {
	if event.IsDelete() || event.Node == nil {
		return
	}
	for n := range event.Node.Leaves() {
		switch dir, name := path.Split(n.Key); {
		case n.Key == workerDir+"/scheduled":
			i.lookAtLeader(n.Value)
		case dir == workerDir+"/queue/items/" && event.Kind == client.EventResync:
			i.items[name] = true
			i.newest = max(i.newest, name)
		case dir == workerDir+"/queue/items/" && !i.items[name]:
			if name <= i.newest {
				i.t.Errorf("item %s was put in after %s", name, i.newest)
			}
			i.items[name], i.newest = true, name
		}
	}
}

func (i *inspector) lookAtLeader(value string) {
	var now leadership
	if err := json.Unmarshal([]byte(value), &now); err != nil {
		i.t.Errorf("%s: %v", value, err)
		return
	}
	if now.Fence < i.fence {
		i.t.Errorf("%s, after a leader whose fence is %d", value, i.fence)
	}
	if other, known := i.leaders[now.Fence]; known && other != now.Leader || now.Fence == 0 {
		i.t.Errorf("%s, but the fence is that of %q", value, other)
	}
	i.fence, i.leaders[now.Fence] = now.Fence, now.Leader
}

// stop ends the inspection.
func (i *inspector) stop() {
	i.t.Helper()
	i.cancel()
	<-i.done
	i.t.Logf("leaders by fence: %v; %d items", i.leaders, len(i.items))
	if len(i.leaders) == 0 || len(i.items) == 0 {
		i.t.Error("nothing was seen")
	}
}
