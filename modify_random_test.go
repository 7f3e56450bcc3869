package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// randomRun is several programs that modify one key of a store whose writes meet
// every fault, and what they were told.
type randomRun struct {
	store   *modelStore
	unique  bool // the values are, and Modify knows
	deletes bool // now and then the key is deleted, by the programs and by another

	mu       sync.Mutex         // guards the fields below
	random   *rand.Rand         // for all that happens
	outcomes map[string]outcome // of each call, by its name
}

// outcome is what a call was told.
type outcome struct {
	err   error
	wrote bool // it says that it has
}

const (
	randomKey      = "/counter"
	randomPrograms = 4
	randomCalls    = 8 // of each
)

func (r *randomRun) n(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.IntN(n)
}

func (r *randomRun) fault() storeFault {
	if r.n(3) > 0 {
		return noFault
	}
	return storeFault(r.n(int(storeFaults)))
}

// call is one Modify.
func (r *randomRun) call(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(as(ctx, name), time.Duration(1+r.n(20_000))*time.Millisecond)
	defer cancel()
	deletes := r.deletes && r.n(4) == 0
	resp, err := client.Modify(ctx, r.store, randomKey, func(old *client.Node) (string, error) {
		switch {
		case deletes:
			return "", client.ErrDelete
		case r.unique:
			return name, nil
		case old == nil:
			return "1", nil
		}
		n, err := strconv.Atoi(old.Value)
		return strconv.Itoa(n + 1), err
	}, &client.ModifyOptions{Unique: r.unique})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[name] = outcome{err, err == nil && resp.Action != "get"}
}

// run has all programs do their calls, and waits for what was delayed.
func (r *randomRun) run(ctx context.Context) {
	var programs sync.WaitGroup
	for p := range randomPrograms {
		programs.Go(func() {
			for c := range randomCalls {
				r.call(ctx, fmt.Sprintf("%d-%d", p, c))
			}
		})
	}
	if r.deletes {
		programs.Go(func() {
			for range randomCalls {
				<-time.After(time.Duration(r.n(5_000)) * time.Millisecond)
				if r.n(2) == 0 {
					r.store.remove(randomKey)
				} else {
					r.store.refresh(randomKey)
				}
			}
		})
	}
	programs.Wait()
	r.store.late.Wait()
}

// check compares what the calls were told with what was done.
func (r *randomRun) check(t *testing.T, told map[string]int) {
	t.Helper()
	successes, unknowns := 0, 0
	for name, o := range r.outcomes {
		err, applied := o.err, r.store.applied[name]
		_, isCluster := bare[*client.ClusterError](err)
		switch {
		case applied > 1:
			t.Errorf("%s was applied %d times, and told %v", name, applied, err)
		case err == nil:
			successes++
			if o.wrote != (applied == 1) {
				t.Errorf("%s: has it succeeded? %v. Was it applied? %d times", name, o.wrote, applied)
			}
		case errors.Is(err, client.ErrOutcomeUnknown):
			unknowns++
			if !isCluster {
				t.Errorf("%s: %T is unknown", name, err)
			}
		case applied > 0:
			t.Errorf("%s was applied, and told %v", name, err)
		}
		switch {
		case err == nil:
			told["success"]++
		case errors.Is(err, client.ErrOutcomeUnknown):
			told[fmt.Sprintf("unknown, applied %d", applied)]++
		default:
			told["not applied"]++
		}
	}
	if r.deletes || r.unique {
		return
	}
	count := 0
	if n := r.store.node(randomKey); n != nil {
		count, _ = strconv.Atoi(n.Value)
	}
	if count < successes || count > successes+unknowns {
		t.Errorf("counted %d, with %d successes and %d unknown outcomes", count, successes, unknowns)
	}
}

// TestModifyUnderFaults holds what Modify promises against a store whose writes
// get lost, whose answers get lost, and whose writes come late.
func TestModifyUnderFaults(t *testing.T) {
	for _, kind := range []struct{ unique, deletes bool }{{}, {unique: true}, {deletes: true}, {unique: true, deletes: true}} {
		t.Run(fmt.Sprintf("unique %v deletes %v", kind.unique, kind.deletes), func(t *testing.T) {
			told := map[string]int{}
			for seed := range uint64(250) {
				synctest.Test(t, func(t *testing.T) {
					r := &randomRun{
						store: newModelStore(), unique: kind.unique, deletes: kind.deletes,
						random: rand.New(rand.NewPCG(seed, 1)), outcomes: map[string]outcome{},
					}
					r.store.fault = r.fault
					r.run(t.Context())
					r.check(t, told)
				})
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			// A run in which nothing of a kind happened would show nothing.
			for _, outcome := range []string{"success", "not applied", "unknown, applied 0", "unknown, applied 1"} {
				if told[outcome] == 0 {
					t.Errorf("never: %s", outcome)
				}
			}
			t.Log(told)
		})
	}
}
