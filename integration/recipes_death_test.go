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
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
)

const (
	dyingTTL = 5 // seconds, of the sessions of holders that die or are cut off

	// soon bounds the time until the next in line has the lock: the TTL, and what
	// noise can't exceed.
	soon = 20 * time.Second

	theLock = "/lock"
	renewed = "renewed "
)

// aQueued locks in a goroutine, and returns when it is in the line, second to
// whoever holds the lock.
func aQueued(t *testing.T, kapi client.KeysAPI, s *concurrency.Session, lock string) (*concurrency.Mutex, <-chan error) {
	t.Helper()
	m, locked := concurrency.NewMutex(s, lock), make(chan error, 1)
	ctx := within(t, recovery)
	go func() { locked <- m.Lock(ctx) }()
	waitForLine(t, kapi, lock, 2)
	return m, locked
}

// A program that holds a lock is killed: the next in line has it soon, but not
// while the dead one, were it only cut off, might count on it.
func TestLockOfAKilledProgram(t *testing.T) {
	if endpoints := os.Getenv("LOCK_AT"); endpoints != "" {
		holdUntilKilled(t, strings.Split(endpoints, ","))
		return
	}
	onFaulty(t, func(s story) {
		t, c := s.t, s.c
		kapi := freshKeys(t, c)
		program := startHolder(t, c.Endpoints())
		holderFence := program.waitForLock(t)
		m, locked := aQueued(t, kapi, newSession(t, kapi, dyingTTL), theLock)
		program.waitForRenewal(t)
		before := time.Now()
		lastRenewal := program.kill(t)
		check(t, <-locked)
		now := time.Now()
		wantUnder(t, "the lock, after the death of its holder,", now.Sub(before), soon)
		t.Logf("that was %v after the last renewal", now.Sub(lastRenewal).Round(time.Millisecond))
		if counted := lastRenewal.Add(dyingTTL * time.Second * 4 / 5); now.Before(counted) {
			t.Errorf("the lock was given on %v before the session of the dead one would have ended", counted.Sub(now))
		}
		if m.Fence() <= holderFence {
			t.Errorf("the fence %d follows %d", m.Fence(), holderFence)
		}
		check(t, m.Unlock(t.Context()))
	})
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
	_, err := io.Copy(io.Discard, os.Stdin)
	check(t, err)
}

// tellingKeys tells of renewals of the lock.
type tellingKeys struct{ client.KeysAPI }

func (k *tellingKeys) Set(ctx context.Context, key, value string, o *client.SetOptions) (*client.Response, error) {
	sent := time.Now()
	resp, err := k.KeysAPI.Set(ctx, key, value, o)
	if err == nil && strings.HasPrefix(key, theLock+"/") {
		fmt.Printf("%s%d\n", renewed, sent.UnixNano())
	}
	return resp, err
}

// A lockProgram is another process that holds a lock.
type lockProgram struct {
	cmd   *exec.Cmd
	lines chan string
	last  time.Time // a renewal that succeeded was sent
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
	p := &lockProgram{cmd: cmd, lines: make(chan string, 1000)}
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range p.lines {
		}
		_ = cmd.Wait()
	})
	return p
}

// next gives the number in the next line that begins so.
func (p *lockProgram) next(t *testing.T, prefix string) int64 {
	t.Helper()
	timeout := time.After(callTimeout)
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				t.Fatal("the program that holds the lock has ended")
			}
			if number, found := strings.CutPrefix(line, prefix); found {
				return must[int64](t)(strconv.ParseInt(number, 10, 64))
			}
		case <-timeout:
			t.Fatalf("the program that holds the lock did not say %q", prefix)
		}
	}
}

func (p *lockProgram) waitForLock(t *testing.T) (fence uint64) {
	t.Helper()
	return uint64(p.next(t, "locked "))
}

func (p *lockProgram) waitForRenewal(t *testing.T) {
	t.Helper()
	p.last = time.Unix(0, p.next(t, renewed))
}

// kill kills the program with SIGKILL, and returns when its last renewal that was
// answered was sent.
func (p *lockProgram) kill(t *testing.T) time.Time {
	t.Helper()
	check(t, p.cmd.Process.Kill())
	for line := range p.lines {
		if number, found := strings.CutPrefix(line, renewed); found {
			p.last = time.Unix(0, must[int64](t)(strconv.ParseInt(number, 10, 64)))
		}
	}
	return p.last
}

// A holder that is cut off from all members finds out by its own clock, before
// another one gets the lock; and does no harm when the network is back.
func TestLockOfAHolderThatIsCutOff(t *testing.T) {
	cuts := map[string]func(*cable){
		"both ways":        (*cable).cut,
		"answers are lost": (*cable).cutAnswers,
	}
	onFaulty(t, func(s story) {
		for name, cut := range cuts {
			s.t.Run(name, func(t *testing.T) {
				t.Parallel()
				story{t, s.c}.cutOffHolder(cut)
			})
		}
	})
}

func (s story) cutOffHolder(cut func(*cable)) {
	t, c := s.t, s.c
	t.Helper()
	lock, network, store := uniqueKey("lock"), newCable(t), newFencedStore()
	session := must[*concurrency.Session](t)(concurrency.NewSession(keysBy(t, c, network), concurrency.WithTTL(dyingTTL)))
	m := concurrency.NewMutex(session, lock)
	check(t, m.Lock(within(t, callTimeout)))
	first := &holder{name: "first", fence: m.Fence(), err: session.Err}
	store.enter(first)

	kapi := freshKeys(t, c)
	session2 := newSession(t, kapi, dyingTTL)
	m2, locked := aQueued(t, kapi, session2, lock)
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
	second := &holder{name: "second", fence: m2.Fence(), err: session2.Err}
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
	other := concurrency.NewMutex(session2, lock)
	if err := other.TryLock(within(t, callTimeout)); !errors.Is(err, concurrency.ErrLocked) {
		t.Errorf("what the first one did late has freed the lock: %v", err)
	}
	store.leave(second)
	check(t, m2.Unlock(within(t, callTimeout)))
	store.conclude(t)
}
