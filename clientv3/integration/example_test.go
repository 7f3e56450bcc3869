package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

// connect starts etcd and returns a client of it, a context that bounds its calls,
// and what ends all three. Programs call clientv3.New instead.
func connect() (*clientv3.Client, context.Context, func()) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	server, err := harness.BuildEtcd37(ctx)
	if err != nil {
		log.Panic(err)
	}
	c, err := harness.StartCluster(ctx, server, harness.Options{})
	if err != nil {
		log.Panic(err)
	}
	cli, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), DialTimeout: 10 * time.Second})
	if err != nil {
		log.Panic(err)
	}
	return cli, ctx, func() {
		cancel()
		if err := errors.Join(cli.Close(), c.Close()); err != nil {
			log.Panic(err)
		}
	}
}

func ExampleKV_put() {
	cli, ctx, done := connect()
	defer done()

	if _, err := cli.Put(ctx, "greeting", "hello"); err != nil {
		log.Panic(err)
	}
	resp, err := cli.Put(ctx, "greeting", "good morning", clientv3.WithPrevKV())
	if err != nil {
		log.Panic(err)
	}
	fmt.Printf("%s was %s\n", resp.PrevKv.Key, resp.PrevKv.Value)
	// Output: greeting was hello
}

func ExampleKV_put_errors() {
	cli, ctx, done := connect()
	defer done()

	switch _, err := cli.Put(ctx, "", "hello"); {
	case errors.Is(err, rpctypes.ErrEmptyKey):
		fmt.Println("a key is needed")
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("nobody knows whether it was written")
	case err != nil:
		fmt.Println("no member answers:", err)
	}
	// Output: a key is needed
}

func ExampleKV_get_sortedPrefix() {
	cli, ctx, done := connect()
	defer done()

	for i := range 3 {
		if _, err := cli.Put(ctx, fmt.Sprintf("key/%d", i), "value"); err != nil {
			log.Panic(err)
		}
	}
	resp, err := cli.Get(ctx, "key/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
	if err != nil {
		log.Panic(err)
	}
	for _, kv := range resp.Kvs {
		fmt.Printf("%s: %s\n", kv.Key, kv.Value)
	}
	// Output:
	// key/2: value
	// key/1: value
	// key/0: value
}

func ExampleKV_txn() {
	cli, ctx, done := connect()
	defer done()

	for _, who := range []string{"ann", "bob"} {
		resp, err := cli.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision("owner"), "=", 0)).
			Then(clientv3.OpPut("owner", who)).
			Else(clientv3.OpGet("owner")).
			Commit()
		if err != nil {
			log.Panic(err)
		}
		if resp.Succeeded {
			fmt.Println(who, "is the owner")
		} else {
			fmt.Printf("%s is too late: it is %s\n", who, resp.Responses[0].GetResponseRange().Kvs[0].Value)
		}
	}
	// Output:
	// ann is the owner
	// bob is too late: it is ann
}

func ExampleWatcher_watch() {
	cli, ctx, done := connect()
	defer done()

	// From here on nothing is missed.
	changes := cli.Watch(ctx, "config/", clientv3.WithPrefix())
	if _, err := cli.Put(ctx, "config/color", "blue"); err != nil {
		log.Panic(err)
	}
	if _, err := cli.Delete(ctx, "config/color"); err != nil {
		log.Panic(err)
	}
	seen := 0
	for resp := range changes {
		if err := resp.Err(); err != nil {
			log.Panic(err)
		}
		for _, e := range resp.Events {
			fmt.Printf("%s %s %q\n", e.Type, e.Kv.Key, e.Kv.Value)
			seen++
		}
		if seen == 2 {
			break
		}
	}
	// Output:
	// PUT config/color "blue"
	// DELETE config/color ""
}

func ExampleLease_keepAlive() {
	cli, ctx, done := connect()
	defer done()

	lease, err := cli.Grant(ctx, 30)
	if err != nil {
		log.Panic(err)
	}
	if _, err = cli.Put(ctx, "members/1", "here", clientv3.WithLease(lease.ID)); err != nil {
		log.Panic(err)
	}
	renewals, err := cli.KeepAlive(ctx, lease.ID)
	if err != nil {
		log.Panic(err)
	}
	fmt.Println("renewed for", (<-renewals).TTL, "seconds")

	if _, err = cli.Revoke(ctx, lease.ID); err != nil {
		log.Panic(err)
	}
	resp, err := cli.Get(ctx, "members/1")
	if err != nil {
		log.Panic(err)
	}
	fmt.Println("keys in the end:", resp.Count)
	// Output:
	// renewed for 30 seconds
	// keys in the end: 0
}

func ExampleMaintenance_snapshot() {
	cli, ctx, done := connect()
	defer done()

	snapshot, err := cli.Snapshot(ctx)
	if err != nil {
		log.Panic(err)
	}
	defer func() { _ = snapshot.Close() }() // Only read from.
	n, err := io.Copy(io.Discard, snapshot)
	fmt.Println(n > 0, err)
	// Output: true <nil>
}
