package moving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// programs write all the time, to the old cluster until they are pointed to the new
// one. They note what was acknowledged.
type programs struct {
	*stage
	kapi    sync.RWMutex // held for reading by each call, so that who holds it for writing has stopped them
	keys    client.KeysAPI
	stop    context.CancelFunc
	all     sync.WaitGroup
	writes  atomic.Int64
	unknown atomic.Int64 // writes of which nobody knows whether they were done

	mu     sync.Mutex // guards the fields below
	values map[string]int
	jobs   []job
	maybe  map[string]bool // jobs that were not acknowledged
}

// A job is what was put into the queue.
type job struct{ key, value string }

const (
	setters   = 3
	queueDir  = "/app/queue"
	sessionID = "/app/sessions/one"
	// pause is between the writes of one program, so that the machine keeps up.
	pause = 15 * time.Millisecond
)

func (st *stage) startPrograms() *programs {
	st.Helper()
	ctx, cancel := context.WithCancel(st.ctx)
	p := &programs{stage: st, keys: st.native(&http.Transport{}), stop: cancel, values: map[string]int{}, maybe: map[string]bool{}}
	for i := range setters {
		p.run(ctx, pause, func(n int) error { return p.count(fmt.Sprintf("/app/dir%d/value", i), n) })
	}
	p.run(ctx, 50*time.Millisecond, func(n int) error { return p.count("/app/_hidden/value", n) })
	for i := range 2 {
		p.run(ctx, pause, func(n int) error { return p.enqueue(fmt.Sprintf("job %d of %d", n, i)) })
	}
	p.run(ctx, 2*pause, p.comeAndGo)
	p.run(ctx, time.Second, p.beAlive)
	st.Cleanup(p.end)
	return p
}

// run has a program do its n-th write, again and again.
func (p *programs) run(ctx context.Context, every time.Duration, write func(n int) error) {
	p.all.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			p.kapi.RLock()
			err := write(n)
			p.kapi.RUnlock()
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, client.ErrClusterUnavailable):
				p.unknown.Add(1)
			case err != nil:
				p.Errorf("a program: %v", err)
				return
			}
			p.writes.Add(1)
		}
	})
}

// count sets a key to one more each time. Only it writes there.
func (p *programs) count(key string, n int) error {
	_, err := p.keys.Set(p.ctx, key, strconv.Itoa(n), nil)
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.values[key] = n
	}
	return err
}

func (p *programs) enqueue(value string) error {
	r, err := p.keys.CreateInOrder(p.ctx, queueDir, value, nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.maybe[value] = true
		return err
	}
	p.jobs = append(p.jobs, job{r.Node.Key, value})
	return nil
}

// comeAndGo makes a directory with something in it, and removes it.
func (p *programs) comeAndGo(n int) error {
	var err error
	if n%2 == 1 {
		_, err = p.keys.Set(p.ctx, "/app/tmp/d/x", strconv.Itoa(n), &client.SetOptions{TTL: time.Minute})
	} else {
		_, err = p.keys.Delete(p.ctx, "/app/tmp", &client.DeleteOptions{Recursive: true})
	}
	if client.IsKeyNotFound(err) {
		err = nil // an earlier one was done after all
	}
	return err
}

// beAlive keeps a key with a TTL, and makes it if it is not there.
func (p *programs) beAlive(n int) error {
	const ttl = 20 * time.Second
	var err error
	if n > 1 {
		_, err = p.keys.Set(p.ctx, sessionID, "", &client.SetOptions{TTL: ttl, Refresh: true, PrevExist: client.PrevExist})
		if client.IsKeyNotFound(err) {
			return fmt.Errorf("the session was lost: %w", err)
		}
		return err
	}
	_, err = p.keys.Set(p.ctx, sessionID, "me", &client.SetOptions{TTL: ttl})
	return err
}

// waitForWrites waits until the programs have made as many writes from now on.
func (p *programs) waitForWrites(n int64) {
	p.Helper()
	want := p.writes.Load() + n
	harness.WaitFor(p, storyTimeout, func() error {
		if now := p.writes.Load(); now < want && !p.Failed() {
			return fmt.Errorf("%d writes, want %d", now, want)
		}
		return nil
	})
}

// whileStopped stops the programs, does something, and points them to another store.
func (p *programs) whileStopped(do func() client.KeysAPI) {
	p.kapi.Lock()
	defer p.kapi.Unlock()
	p.keys = do()
}

func (p *programs) end() {
	p.stop()
	p.all.Wait()
}

// check compares what was acknowledged with what the new store has, names of jobs
// that were put in after the switch among it.
func (p *programs) check(jobsBefore int) {
	p.Helper()
	p.end()
	for key, want := range p.values {
		r, err := p.to.Get(p.ctx, key, &client.GetOptions{Quorum: true})
		if err != nil {
			p.Errorf("%s: %v", key, err)
			continue
		}
		if got, _ := strconv.Atoi(r.Node.Value); got < want {
			p.Errorf("%s is %d, and %d was acknowledged", key, got, want)
		}
	}
	r, err := p.to.Get(p.ctx, queueDir, &client.GetOptions{Quorum: true})
	if err != nil {
		p.Fatal(err)
	}
	there := map[job]bool{}
	seen := map[string]bool{}
	for _, n := range r.Node.Nodes {
		there[job{n.Key, n.Value}] = true
		if seen[n.Value] {
			p.Errorf("%s is there twice", n.Value)
		}
		seen[n.Value] = true
	}
	known := map[string]bool{}
	for _, j := range p.jobs {
		known[j.value] = true
		if !there[j] {
			p.Errorf("%v was acknowledged, and is lost", j)
		}
	}
	for value := range seen {
		if !known[value] && !p.maybe[value] {
			p.Errorf("%s is there, and nobody has put it", value)
		}
	}
	last := slices.MaxFunc(p.jobs[:jobsBefore], func(a, b job) int { return compareText(a.key, b.key) })
	for _, j := range p.jobs[jobsBefore:] {
		if j.key <= last.key {
			p.Errorf("%v was put in after %v", j, last)
		}
	}
	p.Logf("%d writes, %d of them with unknown outcome, %d jobs, %d of them after the switch", p.writes.Load(), p.unknown.Load(), len(p.jobs), len(p.jobs)-jobsBefore)
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
