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

// factory is where the workers are, and what is wanted of them.
type factory struct {
	env
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

// leave ends the process by SIGTERM. It may fail to clean up only when the members
// have other things to do for nearly as long as it tries.
func (f *factory) leave(p *workerProcess) {
	f.t.Helper()
	pulse := harness.TakePulse(f.t.Context(), f.c.Members())
	p.signal(syscall.SIGTERM)
	giveUp := time.AfterFunc(workerPatience, func() { _ = p.cmd.Process.Kill() })
	defer giveUp.Stop()
	err := p.cmd.Wait()
	switch silence := pulse.Silence(); {
	case err != nil && silence < workerTTL*time.Second/2:
		f.t.Errorf("%s left with %v", p.name, err)
	case err != nil:
		f.t.Logf("%s left with %v, as two members were silent for %v", p.name, err, silence)
		pause((workerTTL + 1) * time.Second) // What it left expires.
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

// wantGone checks that a worker that has left is not registered, nor a candidate.
func (f *factory) wantGone(p *workerProcess) {
	f.t.Helper()
	if left := f.registered(); slices.Contains(left, p.name) {
		f.t.Errorf("%s has left, but registered are %v", p.name, left)
	}
	for _, n := range f.list(workerDir + "/leader") {
		if strings.HasSuffix(n.Value, p.name) {
			f.t.Errorf("%s has left, but there is %s=%q", p.name, n.Key, n.Value)
		}
	}
}

// registered gives the names of who is registered, sorted.
func (f *factory) registered() []string {
	f.t.Helper()
	var names []string
	for _, n := range f.list(workerDir + "/workers") {
		var entry struct{ Name string }
		check(f.t, json.Unmarshal([]byte(n.Value), &entry))
		names = append(names, entry.Name)
	}
	slices.Sort(names)
	return names
}

func (f *factory) waitForRegistered(workers ...*workerProcess) {
	f.t.Helper()
	names := make([]string, 0, len(workers))
	for _, p := range workers {
		names = append(names, p.name)
	}
	slices.Sort(names)
	harness.WaitFor(f.t, workerPatience, func() error {
		if diff := cmp.Diff(names, f.registered()); diff != "" {
			return errors.New("registered (-want +got):\n" + diff)
		}
		return nil
	})
}

// keepBusy asks for jobs until so many are being done at a time.
func (f *factory) keepBusy(workers int) {
	f.t.Helper()
	harness.WaitFor(f.t, workerPatience, func() error {
		claims := f.children(workerDir + "/queue/claims")
		if len(claims) == workers {
			return nil
		}
		if waiting := len(f.list(workerDir+"/requests")) + len(f.list(workerDir+"/queue/items")); waiting <= workers {
			f.request(1)
		}
		return fmt.Errorf("%d claims, want %d", len(claims), workers)
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
