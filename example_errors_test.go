package client_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/etcd/client"
)

// explain tells the errors of a call apart: first the caller's own context, then
// what etcd refused, then what kept it from answering.
func explain(err error) string {
	var refusal client.Error
	var failure *client.ClusterError
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, context.Canceled):
		return "we gave up"
	case errors.Is(err, context.DeadlineExceeded):
		return "we ran out of time"
	case errors.Is(err, client.ErrOutcomeUnknown):
		return "it may have been written: read before writing again"
	case errors.As(err, &failure):
		return fmt.Sprintf("none of %d endpoints answered", len(failure.Attempts))
	case errors.As(err, &refusal):
		return fmt.Sprintf("refused with code %d: %s", refusal.Code, refusal.Message)
	default:
		return err.Error()
	}
}

// Tell apart what can go wrong.
func ExampleClusterError() {
	server := newExampleServer()
	kapi := exampleKeys(server)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	_, err := kapi.Create(ctx, "/lock", "alice")
	fmt.Println(explain(err))

	_, err = kapi.Create(ctx, "/lock", "bob")
	fmt.Println(explain(err))

	server.Close()
	_, err = kapi.Get(ctx, "/lock", nil)
	fmt.Println(explain(err))

	cancel()
	_, err = kapi.Get(ctx, "/lock", nil)
	fmt.Println(explain(err))
	// Output:
	// done
	// refused with code 105: Key already exists
	// none of 1 endpoints answered
	// we gave up
}

// A write that would do something else the second time is not repeated when its
// reply was lost. Whether it was applied, a quorum read tells.
func Example_outcomeUnknown() {
	server := newExampleServer()
	defer server.Close()
	server.loseNextReply()
	kapi := exampleKeys(server)
	ctx := context.Background()

	_, err := kapi.Create(ctx, "/lock", "alice")
	if errors.Is(err, client.ErrOutcomeUnknown) {
		fmt.Println("the reply was lost")
		resp, getErr := kapi.Get(ctx, "/lock", &client.GetOptions{Quorum: true})
		if getErr != nil {
			fmt.Println(getErr)
			return
		}
		fmt.Println("the lock is", resp.Node.Value+"'s")
	}
	// Output:
	// the reply was lost
	// the lock is alice's
}

// The text of an Error has all that the server said; its fields have it apart.
func ExampleError() {
	server := newExampleServer()
	defer server.Close()
	kapi := exampleKeys(server)

	_, err := kapi.Get(context.Background(), "/nope", nil)
	fmt.Println(err)
	var etcdErr client.Error
	if errors.As(err, &etcdErr) && etcdErr.Code == client.ErrorCodeKeyNotFound {
		fmt.Println(etcdErr.Cause, "is missing, status", etcdErr.StatusCode)
	}
	// Output:
	// 100: Key not found (/nope) [0]
	// /nope is missing, status 404
}
