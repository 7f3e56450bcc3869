package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/integration/harness"
)

const (
	dyingTTL = 10 // seconds, of the sessions of holders that die or are cut off

	// soon bounds the time until the next in line has the lock: the TTL, and what
	// noise can't exceed.
	soon = 40 * time.Second

	theLock = "/lock"
)

// queueBehind locks in a goroutine, and returns when that is second in the line.
// It is false where the holder has lost the lock before, for all the noise.
func queueBehind(t *testing.T, ended func() bool, kapi client.KeysAPI, lock string) (m *concurrency.Mutex, locked <-chan error, ok bool) {
	t.Helper()
	m = concurrency.NewMutex(newSession(t, kapi, 60), lock)
	done := make(chan error, 1)
	ctx := within(t, recovery)
	go func() { done <- m.Lock(ctx) }()
	harness.WaitFor(t, recovery, func() error {
		resp, err := kapi.Get(ctx, lock, &client.GetOptions{Quorum: true})
		switch {
		case ended():
			return nil
		case err != nil:
			return err
		case len(resp.Node.Nodes) != 2:
			return fmt.Errorf("%d are in the line", len(resp.Node.Nodes))
		}
		ok = true
		return nil
	})
	if !ok {
		t.Log("the session of the holder has ended too early")
		check(t, <-done)
		check(t, m.Unlock(within(t, callTimeout)))
	}
	return m, done, ok
}

// A program that holds a lock is killed: the next in line has it soon, but not
// while the dead one, were it only cut off, might count on it.
func TestLockOfAKilledProgram(t *testing.T) {
	if endpoints := os.Getenv("LOCK_AT"); endpoints != "" {
		holdUntilKilled(t, strings.Split(endpoints, ","))
		return
	}
	onFaultyCluster(t, func(s env) {
		inSomeRound(s.t, s.killHolder)
	})
}

// killHolder is false for a round that says nothing.
func (s env) killHolder() bool {
	t, c := s.t, s.c
	t.Helper()
	program := startHolder(t, c.Endpoints())
	program.wait(t, "locked", func() bool { return program.fence != 0 })
	m, locked, ok := queueBehind(t, program.hasEnded, freshKeys(t, c), theLock)
	if !ok {
		program.kill()
		return false
	}
	program.wait(t, "renewed the lock", func() bool { return !program.renewed.IsZero() })
	before := time.Now()
	program.kill()
	if program.ended {
		t.Log("the session of the program ended before that was killed")
		check(t, <-locked)
		check(t, m.Unlock(within(t, callTimeout)))
		return false
	}
	check(t, <-locked)
	now := time.Now()
	wantUnder(t, "the lock, after the death of its holder,", now.Sub(before), soon)
	t.Logf("that was %v after the last renewal", now.Sub(program.renewed).Round(time.Millisecond))
	if counted := program.renewed.Add(dyingTTL * time.Second * 4 / 5); now.Before(counted) {
		t.Errorf("the lock was given on %v before the session of the dead one would have ended", counted.Sub(now))
	}
	if m.Fence() <= program.fence {
		t.Errorf("the fence %d follows %d", m.Fence(), program.fence)
	}
	check(t, m.Unlock(within(t, callTimeout)))
	return true
}

// holdUntilKilled is the program: it takes the lock, tells when each renewal
// that succeeded was sent, and lives no longer than who started it.
func holdUntilKilled(t *testing.T, endpoints []string) {
	t.Helper()
	kapi := &tellingKeys{KeysAPI: client.NewKeysAPI(must[client.Client](t)(client.New(client.Config{Endpoints: endpoints})))}
	s := must[*concurrency.Session](t)(concurrency.NewSession(kapi, concurrency.WithTTL(dyingTTL)))
	m := concurrency.NewMutex(s, theLock)
	check(t, m.Lock(t.Context()))
	fmt.Printf("locked %d\n", m.Fence())
	go func() {
		<-s.Done()
		fmt.Println("ended 0")
	}()
	_, err := io.Copy(io.Discard, os.Stdin)
	check(t, err)
}

// tellingKeys tells of renewals of the lock.
type tellingKeys struct{ client.KeysAPI }

func (k *tellingKeys) Set(ctx context.Context, key, value string, o *client.SetOptions) (*client.Response, error) {
	sent := time.Now()
	resp, err := k.KeysAPI.Set(ctx, key, value, o)
	if err == nil && strings.HasPrefix(key, theLock+"/") {
		fmt.Printf("renewed %d\n", sent.UnixNano())
	}
	return resp, err
}

// A lockProgram is another process that holds a lock.
type lockProgram struct {
	cmd  *exec.Cmd
	over chan struct{} // closed when it has said all

	mu      sync.Mutex // guards the fields below
	fence   uint64     // 0 before it has the lock
	renewed time.Time  // when the last renewal that succeeded was sent
	ended   bool       // its session
}

// startHolder starts this test in a process of its own.
func startHolder(t *testing.T, endpoints []string) *lockProgram {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), must[string](t)(os.Executable()), "-test.run=^TestLockOfAKilledProgram$") //nolint:gosec // It is this program.
	cmd.Env = append(os.Environ(), "LOCK_AT="+strings.Join(endpoints, ","))
	cmd.Stderr = os.Stderr
	must[io.WriteCloser](t)(cmd.StdinPipe())
	out := must[io.ReadCloser](t)(cmd.StdoutPipe())
	check(t, cmd.Start())
	p := &lockProgram{cmd: cmd, over: make(chan struct{})}
	go func() {
		defer close(p.over)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.note(scanner.Text())
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// note notes what the program says; other lines are those of the test.
func (p *lockProgram) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what, rest, _ := strings.Cut(line, " ")
	number, err := strconv.ParseInt(rest, 10, 64)
	switch {
	case err != nil:
	case what == "locked":
		p.fence = uint64(number)
	case what == "renewed":
		p.renewed = time.Unix(0, number)
	case what == "ended":
		p.ended = true
	}
}

// wait waits until something is so, or the session has ended.
func (p *lockProgram) wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	harness.WaitFor(t, callTimeout, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !is() && !p.ended {
			return fmt.Errorf("the program has not %s", what)
		}
		return nil
	})
}

func (p *lockProgram) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// kill kills the program with SIGKILL, and returns when all it has said is noted.
func (p *lockProgram) kill() {
	_ = p.cmd.Process.Kill()
	<-p.over
	_ = p.cmd.Wait()
}

// A holder that is cut off from all members finds out by its own clock, before
// another one gets the lock; and does no harm when the network is back.
func TestLockOfAHolderThatIsCutOff(t *testing.T) {
	cuts := map[string]func(*faultyNetwork){
		"both ways":        (*faultyNetwork).cut,
		"answers are lost": (*faultyNetwork).cutAnswers,
	}
	onFaultyCluster(t, func(s env) {
		for name, cut := range cuts {
			s.t.Run(name, func(t *testing.T) {
				t.Parallel()
				inSomeRound(t, func() bool { return env{t, s.c}.cutOffHolder(cut) })
			})
		}
	})
}

// cutOffHolder is false for a round that says nothing.
func (s env) cutOffHolder(cut func(*faultyNetwork)) bool {
	t, c := s.t, s.c
	t.Helper()
	lock, network, store := uniqueKey("lock"), newFaultyNetwork(t), newFencedStore()
	session := must[*concurrency.Session](t)(concurrency.NewSession(keysBy(t, c, network), concurrency.WithTTL(dyingTTL)))
	m := concurrency.NewMutex(session, lock)
	check(t, m.Lock(within(t, callTimeout)))
	first := &holder{name: "first", fence: m.Fence(), err: session.Err}
	store.enter(first)

	kapi := freshKeys(t, c)
	m2, locked, ok := queueBehind(t, func() bool { return session.Err() != nil }, kapi, lock)
	if !ok {
		return false
	}
	cut(network)
	at := time.Now()
	var ended atomic.Int64
	context.AfterFunc(session.Ctx(), func() { ended.Store(int64(time.Since(at))) })
	check(t, <-locked)
	took := time.Since(at)
	select {
	case <-session.Done():
	default:
		t.Error("another one has the lock, and the session of who was cut off is not done")
	}
	second := &holder{name: "second", fence: m2.Fence(), err: func() error { return nil }}
	store.enter(second)
	store.write(first)
	if store.late != 1 {
		t.Error("the store did not refuse who was cut off")
	}
	if err := session.Err(); !errors.Is(err, concurrency.ErrNotRenewed) {
		t.Errorf("the session ended for %v", err)
	}
	if m.Fence() != 0 {
		t.Errorf("the fence of who was cut off is %d", m.Fence())
	}
	t.Logf("after the cut the session was done at %v", time.Duration(ended.Load()).Round(time.Millisecond))
	wantUnder(t, "the lock, after its holder was cut off,", took, soon)

	network.mend()
	if err := m.Unlock(within(t, callTimeout)); err != nil {
		t.Errorf("unlock when the network is back: %v", err)
	}
	check(t, session.Close())
	other := concurrency.NewMutex(newSession(t, kapi, 60), lock)
	if err := other.TryLock(within(t, callTimeout)); !errors.Is(err, concurrency.ErrLocked) {
		t.Errorf("what the first one did late has freed the lock: %v", err)
	}
	store.leave(second)
	check(t, m2.Unlock(within(t, callTimeout)))
	store.conclude(t)
	return true
}
