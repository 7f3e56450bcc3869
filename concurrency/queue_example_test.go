package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// A worker takes one item after the other. What it could not do it gives back.
func ExampleQueue() {
	var kapi client.KeysAPI = keystest.New() // client.NewKeysAPI(c)
	session, err := concurrency.NewSession(kapi, concurrency.WithTTL(10))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	mails := concurrency.NewQueue(session, "/mails")

	for _, to := range []string{"ann", "bob"} {
		if _, err = mails.Enqueue(context.Background(), to); err != nil {
			fmt.Println(err)
			return
		}
	}

	ctx, cancel := context.WithTimeout(session.Ctx(), time.Second)
	defer cancel()
	for {
		var mail *concurrency.Item
		mail, err = mails.Dequeue(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			fmt.Println("no more mails")
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("a mail to", mail.Value) // the work, until session.Done() at most
		if err = mail.Ack(ctx); err != nil {
			fmt.Println(err) // it may be done again
		}
	}
	// Output:
	// a mail to ann
	// a mail to bob
	// no more mails
}

// With an ID of its own a producer may try until it succeeds.
func ExampleQueue_EnqueueID() {
	var kapi client.KeysAPI = keystest.New() // client.NewKeysAPI(c)
	session, err := concurrency.NewSession(kapi)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	orders := concurrency.NewQueue(session, "/orders")

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 2 { // as if the first answer had been lost
		err = orders.EnqueueID(ctx, "order-4711", "two apples")
		for errors.Is(err, client.ErrOutcomeUnknown) {
			err = orders.EnqueueID(ctx, "order-4711", "two apples")
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	n, err := orders.Len(ctx)
	fmt.Println(n, err)
	// Output: 1 <nil>
}
