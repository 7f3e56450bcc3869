package integration

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/mirror"
)

// What a lock protects in etcd is written on condition that the lock is still held.
func Example_mutex() {
	cli, ctx, done := connect()
	defer done()

	s, err := concurrency.NewSession(cli, concurrency.WithTTL(15))
	if err != nil {
		log.Panic(err)
	}
	defer func() { _ = s.Close() }() // else the lease ends with its TTL
	m := concurrency.NewMutex(s, "locks/report")
	if err = m.Lock(ctx); err != nil {
		log.Panic(err)
	}
	resp, err := cli.Txn(ctx).If(m.IsOwner()).Then(clientv3.OpPut("report", "by its holder")).Commit()
	if err != nil {
		log.Panic(err)
	}
	fmt.Println("written:", resp.Succeeded)
	if err = m.Unlock(context.WithoutCancel(ctx)); err != nil {
		log.Panic(err)
	}
	resp, err = cli.Txn(ctx).If(m.IsOwner()).Then(clientv3.OpPut("report", "by nobody")).Commit()
	if err != nil {
		log.Panic(err)
	}
	fmt.Println("written without the lock:", resp.Succeeded)
	// Output:
	// written: true
	// written without the lock: false
}

func Example_tryLock() {
	cli, ctx, done := connect()
	defer done()

	for _, who := range []string{"ann", "bob"} {
		s, err := concurrency.NewSession(cli)
		if err != nil {
			log.Panic(err)
		}
		defer func() { _ = s.Close() }() // else the lease ends with its TTL
		switch err := concurrency.NewMutex(s, "locks/backup").TryLock(ctx); {
		case errors.Is(err, concurrency.ErrLocked):
			fmt.Println(who, "leaves it to the other")
		case err != nil:
			log.Panic(err)
		default:
			fmt.Println(who, "does the backup")
		}
	}
	// Output:
	// ann does the backup
	// bob leaves it to the other
}

func Example_election() {
	cli, ctx, done := connect()
	defer done()

	s, err := concurrency.NewSession(cli)
	if err != nil {
		log.Panic(err)
	}
	defer func() { _ = s.Close() }() // else the lease ends with its TTL
	e := concurrency.NewElection(s, "leader")
	if err = e.Campaign(ctx, "10.0.0.1:80"); err != nil {
		log.Panic(err)
	}
	leader, err := e.Leader(ctx) // anybody may ask
	if err != nil {
		log.Panic(err)
	}
	fmt.Printf("the leader is at %s\n", leader.Kvs[0].Value)
	if err = e.Resign(ctx); err != nil {
		log.Panic(err)
	}
	_, err = e.Leader(ctx)
	fmt.Println(err)
	// Output:
	// the leader is at 10.0.0.1:80
	// election: no leader
}

func Example_transaction() {
	cli, ctx, done := connect()
	defer done()

	if _, err := cli.Put(ctx, "stock/apples", "***"); err != nil {
		log.Panic(err)
	}
	take := func(stm concurrency.STM) error {
		left := stm.Get("stock/apples")
		if left == "" {
			return errors.New("sold out")
		}
		stm.Put("stock/apples", left[1:])
		stm.Put("basket/apples", stm.Get("basket/apples")+"*")
		return nil
	}
	for range 4 {
		_, err := concurrency.NewSTM(cli, take, concurrency.WithAbortContext(ctx))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// sold out
}

func Example_mirror() {
	cli, ctx, done := connect()
	defer done()

	if _, err := cli.Put(ctx, "config/color", "blue"); err != nil {
		log.Panic(err)
	}
	syncer := mirror.NewSyncer(cli, "config/", 0)
	base, failure := syncer.SyncBase(ctx)
	for page := range base {
		for _, kv := range page.Kvs {
			fmt.Printf("%s is %s\n", kv.Key, kv.Value)
		}
	}
	if err := <-failure; err != nil {
		log.Panic(err)
	}
	if _, err := cli.Put(ctx, "config/color", "red"); err != nil {
		log.Panic(err)
	}
	for _, event := range (<-syncer.SyncUpdates(ctx)).Events {
		fmt.Printf("%s is %s now\n", event.Kv.Key, event.Kv.Value)
	}
	// Output:
	// config/color is blue
	// config/color is red now
}
