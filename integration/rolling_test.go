package integration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// A tally is what callers saw under load.
type tally struct {
	mu      sync.Mutex // guards the fields below
	calls   int
	unknown int // swaps with an honest "I don't know"
	longest time.Duration
}

func (y *tally) add(took time.Duration, unknown bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.calls++
	y.longest = max(y.longest, took)
	if unknown {
		y.unknown++
	}
}

// An owner is the only one who writes its key, so it knows what must be there.
type owner struct {
	kapi  client.KeysAPI
	key   string
	tally *tally
	n     int
	value string // acknowledged last
}

// call makes a call with a deadline of 5 s.
func (o *owner) call(ctx context.Context, do func(context.Context) (*client.Response, error)) (*client.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	start := time.Now()
	resp, err := do(ctx)
	o.tally.add(time.Since(start), errors.Is(err, client.ErrOutcomeUnknown))
	return resp, err
}

// fresh gives a value that nobody has written before.
func (o *owner) fresh() string {
	o.n++
	return fmt.Sprintf("%s=%d", o.key, o.n)
}

func (o *owner) set(ctx context.Context) error {
	value := o.fresh()
	_, err := o.call(ctx, func(ctx context.Context) (*client.Response, error) { return o.kapi.Set(ctx, o.key, value, nil) })
	if err != nil {
		return fmt.Errorf("set: %w", err)
	}
	o.value = value
	return nil
}

// read checks that what was acknowledged is there.
func (o *owner) read(ctx context.Context) error {
	resp, err := o.call(ctx, func(ctx context.Context) (*client.Response, error) {
		return o.kapi.Get(ctx, o.key, &client.GetOptions{Quorum: true})
	})
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if resp.Node.Value != o.value {
		return fmt.Errorf("read %q, but %q was acknowledged", resp.Node.Value, o.value)
	}
	return nil
}

// swap swaps the value and checks that what it is told is true.
func (o *owner) swap(ctx context.Context) error {
	value := o.fresh()
	_, err := o.call(ctx, func(ctx context.Context) (*client.Response, error) {
		return o.kapi.Set(ctx, o.key, value, &client.SetOptions{PrevValue: o.value})
	})
	switch {
	case err == nil:
		o.value = value
		return nil
	case errors.Is(err, client.ErrOutcomeUnknown), isBare(err, context.DeadlineExceeded):
		return o.set(ctx) // A late swap finds another value.
	case errors.Is(err, client.ErrClusterUnavailable):
		return nil // Not sent, so nothing has changed; the next read checks it.
	default:
		return fmt.Errorf("swap, on a key of which nobody else knows: %w", err)
	}
}

// work works until stop is closed.
func (o *owner) work(ctx context.Context, stop <-chan struct{}) error {
	steps := []func(context.Context) error{o.set, o.read, o.swap, o.read}
	for {
		for _, step := range steps {
			if err := step(ctx); err != nil {
				return err
			}
		}
		select {
		case <-stop:
			return o.read(ctx)
		default:
		}
	}
}

func TestRollingRestartUnderLoad(t *testing.T) {
	const owners = 8
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		kapi, seen, stop := freshKeys(t, c), &tally{}, make(chan struct{})
		var wg sync.WaitGroup
		for i := range owners {
			wg.Go(func() {
				o := &owner{kapi: kapi, key: fmt.Sprintf("/owned-%d", i), tally: seen}
				if err := o.work(t.Context(), stop); err != nil {
					t.Error(err)
				}
			})
		}
		defer wg.Wait()
		defer close(stop)
		for _, m := range c.Members() {
			m.Kill()
			pause(1500 * time.Millisecond)
			check(t, m.Restart(t.Context()))
			pause(time.Second)
		}
		seen.mu.Lock()
		defer seen.mu.Unlock()
		t.Logf("%d calls, %d swaps of unknown outcome, none lost, none twice; the longest took %v", seen.calls, seen.unknown, seen.longest)
	})
}

// pause lets the load go on for a while.
func pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}
