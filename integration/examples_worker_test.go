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
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

const (
	workerDir   = "/worker"
	sessionsDir = "/_sessions"
	workerTTL   = 8 // seconds
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
	onFaulty(t, func(s story) {
		f := &factory{story: s, began: time.Now(), program: program, kapi: freshKeys(s.t, s.c)}
		inspector := f.inspect()
		ann, bob, eve := f.start("ann"), f.start("bob"), f.start("eve")
		f.configure("pause", "100ms")
		f.waitForRegistered(ann, bob, eve)

		// One member after the other is killed or stopped, the leader of the cluster
		// among them. The others are enough.
		faults := []func(*testing.T, *harness.Cluster, *harness.Member) func(){killed, stopped, killed}
		for i, m := range f.c.Members() {
			f.request(8)
			end := faults[i](f.t, f.c, m)
			f.request(8)
			f.waitForResults()
			end()
		}

		// Each worker has one of three jobs when their leader dies, and another one
		// stands still until its session is over.
		f.configure("pause", "2s")
		f.waitForSettings("pause=2s", ann, bob, eve)
		f.request(3)
		f.waitForCount(workerDir+"/queue/claims", 3)
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
		f.request(8)
		f.waitForResults()

		// Who leaves is gone at once, and nothing has to be waited for.
		f.waitForCount(sessionsDir, 2) // that of the dead one has expired as well
		third.leave()
		f.wantChildren(workerDir+"/workers", still.name)
		f.request(1)
		f.waitForResults()
		f.waitForCount(workerDir+"/queue/items", 0) // the last is acknowledged after its result is there
		still.leave()
		f.wantChildren(sessionsDir)
		for _, dir := range []string{"workers", "leader", "requests", "queue/claims"} {
			f.wantChildren(workerDir + "/" + dir)
		}
		inspector.stop()
	})
}

// factory is where the workers are, and what is wanted of them.
type factory struct {
	story
	began    time.Time
	program  string
	kapi     client.KeysAPI
	greeting string            // which new jobs must have; empty: any
	wanted   map[string]string // greetings, by job
}

// workerProcess is a process of examples/worker.
type workerProcess struct {
	t    *testing.T
	name string
	log  string // a file
	cmd  *exec.Cmd
}

// start starts a worker, which ends with the test at the latest.
func (f *factory) start(name string) *workerProcess {
	f.t.Helper()
	p := &workerProcess{t: f.t, name: name, log: filepath.Join(f.t.TempDir(), name+".log")}
	log := must[*os.File](f.t)(os.Create(p.log))
	defer func() { check(f.t, log.Close()) }() // the process has its own
	p.cmd = exec.CommandContext(f.t.Context(), f.program,
		"-endpoints="+strings.Join(f.c.Endpoints(), ","), "-prefix="+workerDir, "-name="+name, fmt.Sprintf("-ttl=%d", workerTTL))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	check(f.t, p.cmd.Start())
	f.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.kill()
		}
		if f.t.Failed() {
			f.t.Logf("%s:\n%s", name, p.text())
		}
	})
	return p
}

func (p *workerProcess) text() string {
	return string(must[[]byte](p.t)(os.ReadFile(p.log)))
}

// kill ends the process by SIGKILL.
func (p *workerProcess) kill() {
	_ = p.cmd.Process.Kill() // It fails only for a process that is gone.
	_ = p.cmd.Wait()         // The error is that it was killed.
}

func (p *workerProcess) signal(s os.Signal) {
	p.t.Helper()
	check(p.t, p.cmd.Process.Signal(s))
}

// leave ends the process by SIGTERM.
func (p *workerProcess) leave() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	giveUp := time.AfterFunc(workerPatience, func() { _ = p.cmd.Process.Kill() })
	defer giveUp.Stop()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%s left with %v", p.name, err)
	}
}

// call makes a call until it succeeds.
func (f *factory) call(do func(context.Context) error) {
	f.t.Helper()
	harness.WaitFor(f.t, workerPatience, func() error {
		ctx, cancel := context.WithTimeout(f.t.Context(), 5*time.Second)
		defer cancel()
		return do(ctx)
	})
}

func (f *factory) configure(name, value string) {
	f.t.Helper()
	f.call(func(ctx context.Context) error {
		_, err := f.kapi.Set(ctx, workerDir+"/config/"+name, value, nil)
		return err
	})
}

// request asks for jobs. One whose answer was lost is asked for again, so that there
// may be two of it.
func (f *factory) request(n int) {
	f.t.Helper()
	if f.wanted == nil {
		f.wanted = map[string]string{}
	}
	for range n {
		job := fmt.Sprintf("job %d", len(f.wanted))
		f.wanted[job] = f.greeting
		f.call(func(ctx context.Context) error {
			_, err := f.kapi.CreateInOrder(ctx, workerDir+"/requests", job, nil)
			return err
		})
	}
}

// list gives the files of a directory.
func (f *factory) list(dir string) (nodes client.Nodes) {
	f.t.Helper()
	f.call(func(ctx context.Context) error {
		resp, err := f.kapi.Get(ctx, dir, &client.GetOptions{Quorum: true, Sort: true})
		switch {
		case client.IsKeyNotFound(err):
			nodes = nil
			return nil
		case err == nil:
			nodes = resp.Node.Nodes
		}
		return err
	})
	return nodes
}

func (f *factory) children(dir string) []string {
	f.t.Helper()
	var names []string
	for _, n := range f.list(dir) {
		names = append(names, path.Base(n.Key))
	}
	return names
}

func (f *factory) wantChildren(dir string, names ...string) {
	f.t.Helper()
	if diff := cmp.Diff(names, f.children(dir)); diff != "" {
		f.t.Errorf("%s (-want +got):\n%s", dir, diff)
	}
}

func (f *factory) waitForRegistered(workers ...*workerProcess) {
	f.t.Helper()
	names := make([]string, 0, len(workers))
	for _, p := range workers {
		names = append(names, p.name)
	}
	slices.Sort(names)
	harness.WaitFor(f.t, workerPatience, func() error {
		if diff := cmp.Diff(names, f.children(workerDir+"/workers")); diff != "" {
			return errors.New("registered (-want +got):\n" + diff)
		}
		return nil
	})
}

func (f *factory) waitForCount(dir string, n int) {
	f.t.Helper()
	harness.WaitFor(f.t, workerPatience, func() error {
		if all := f.children(dir); len(all) != n {
			return fmt.Errorf("%s has %v, want %d", dir, all, n)
		}
		return nil
	})
}

// leaderFirst gives three workers, the one first that leads them.
func (f *factory) leaderFirst(a, b, c *workerProcess) (leader, second, third *workerProcess) {
	f.t.Helper()
	all := []*workerProcess{a, b, c}
	f.call(func(ctx context.Context) error {
		resp, err := f.kapi.Get(ctx, workerDir+"/scheduled", &client.GetOptions{Quorum: true})
		if err != nil {
			return err
		}
		var scheduled leadership
		if err = json.Unmarshal([]byte(resp.Node.Value), &scheduled); err != nil {
			return err
		}
		for i, p := range all {
			if p.name == scheduled.Leader {
				all[0], all[i] = p, all[0]
			}
		}
		return nil
	})
	return all[0], all[1], all[2]
}

// waitForSettings waits until each worker says that it works with these settings.
func (f *factory) waitForSettings(settings string, workers ...*workerProcess) {
	f.t.Helper()
	harness.WaitFor(f.t, workerPatience, func() error {
		for _, p := range workers {
			if at := strings.LastIndex(p.text(), "msg=working"); at < 0 || !strings.Contains(line(p.text()[at:]), settings) {
				return fmt.Errorf("%s does not work with %s", p.name, settings)
			}
		}
		return nil
	})
}

// line gives the first line of a text.
func line(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}

// waitForResults waits until all that was wanted is done, and checks that nothing
// else was.
func (f *factory) waitForResults() {
	f.t.Helper()
	workers := map[string]int{}
	harness.WaitFor(f.t, workerPatience, func() error {
		missing := maps.Clone(f.wanted)
		clear(workers)
		for _, n := range f.list(workerDir + "/results") {
			var result struct{ Text, Worker string }
			check(f.t, json.Unmarshal([]byte(n.Value), &result))
			greeting, job, _ := strings.Cut(result.Text, ", ")
			want, wanted := f.wanted[job]
			switch {
			case !wanted, want != "" && want != greeting:
				f.t.Fatalf("result %s=%s, but wanted was %q", n.Key, n.Value, want)
			case !slices.Contains([]string{"ann", "bob", "eve"}, result.Worker):
				f.t.Fatalf("result %s=%s: nobody is called so", n.Key, n.Value)
			}
			workers[result.Worker]++
			delete(missing, job)
		}
		if len(missing) > 0 {
			return fmt.Errorf("not done: %v", slices.Sorted(maps.Keys(missing)))
		}
		return nil
	})
	f.t.Logf("after %v %d jobs are done, by worker: %v", time.Since(f.began).Round(time.Second), len(f.wanted), workers)
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
