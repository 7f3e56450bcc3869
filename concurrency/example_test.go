package concurrency_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// Two programs write to a store that takes a lock's fence with each write.
func ExampleMutex() {
	kapi := keystest.New() // or client.NewKeysAPI(c)
	ctx := context.Background()

	var newest uint64 // the greatest fence that the store has seen
	for _, name := range []string{"alice", "bob"} {
		s, err := concurrency.NewSession(kapi, concurrency.WithTTL(15))
		if err != nil {
			fmt.Println(err)
			return
		}
		m := concurrency.NewMutex(s, "/locks/report")
		if err := m.Lock(ctx); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s writes, the store takes it: %v\n", name, m.Fence() > newest)
		newest = m.Fence()
		if err := m.Unlock(ctx); err != nil {
			fmt.Println(err)
		}
		if err := s.Close(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// alice writes, the store takes it: true
	// bob writes, the store takes it: true
}

// Take a lock only if nobody has it.
func ExampleMutex_TryLock() {
	kapi := keystest.New()
	ctx := context.Background()
	s, err := concurrency.NewSession(kapi)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	first, second := concurrency.NewMutex(s, "/locks/report"), concurrency.NewMutex(s, "/locks/report")
	fmt.Println(first.TryLock(ctx))
	fmt.Println(errors.Is(second.TryLock(ctx), concurrency.ErrLocked))
	// Output:
	// <nil>
	// true
}

// Work for as long as the session is alive, and say why it has ended.
func ExampleSession() {
	kapi := keystest.New()
	s, err := concurrency.NewSession(kapi, concurrency.WithTTL(15))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	work := func(ctx context.Context) error { // ends with its context
		if _, refused := kapi.Delete(ctx, s.Key(), nil); refused != nil { // somebody deletes the session's key
			return refused
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}
	err = work(s.Ctx())
	fmt.Println(errors.Is(err, concurrency.ErrSessionExpired), errors.Is(err, concurrency.ErrKeyLost))
	// Output: true true
}

// Two programs campaign; others see who leads and what it proclaims.
func ExampleElection() {
	kapi := keystest.New()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := concurrency.NewSession(kapi)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	alice, bob := concurrency.NewElection(s, "/leader"), concurrency.NewElection(s, "/leader")

	seen := bob.Observe(ctx)
	elected := make(chan error)
	go func() {
		if err := alice.Campaign(ctx, "alice"); err != nil {
			elected <- err
			return
		}
		fmt.Println((<-seen).Node.Value)
		if err := alice.Proclaim(ctx, "alice, on port 80"); err != nil {
			elected <- err
			return
		}
		fmt.Println((<-seen).Node.Value)
		elected <- alice.Resign(ctx)
	}()
	if err := <-elected; err != nil {
		fmt.Println(err)
	}
	if err := bob.Campaign(ctx, "bob"); err != nil {
		fmt.Println(err)
	}
	fmt.Println((<-seen).Node.Value)
	// Output:
	// alice
	// alice, on port 80
	// bob
}
