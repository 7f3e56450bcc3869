// Command gokit registers services in etcd with go-kit's sd/etcd and prints what
// its instancer finds.
//
//	gokit http://127.0.0.1:2379
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"time"

	"github.com/go-kit/kit/sd"
	"github.com/go-kit/kit/sd/etcd"
	kitlog "github.com/go-kit/log"
)

const (
	prefix    = "/services/shop"
	heartbeat = 500 * time.Millisecond // go-kit's shortest
	ttl       = 2 * time.Second
	patience  = 30 * time.Second
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: gokit ENDPOINT...")
	}
	if err := run(context.Background(), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

// run lets two services come and go.
func run(ctx context.Context, endpoints []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := etcd.NewClient(ctx, endpoints, etcd.ClientOptions{HeaderTimeoutPerRequest: patience})
	if err != nil {
		return fmt.Errorf("new client: %w", err)
	}
	logger := kitlog.NewLogfmtLogger(os.Stderr)
	one := etcd.NewRegistrar(client, etcd.Service{Key: prefix + "/one", Value: "http://one"}, logger)
	one.Register()

	instancer, err := etcd.NewInstancer(client, prefix, logger)
	if err != nil {
		return fmt.Errorf("new instancer: %w", err)
	}
	defer instancer.Stop()
	events := make(chan sd.Event)
	go instancer.Register(events)
	if err := await(events, "http://one"); err != nil {
		return err
	}

	// The second lives by its heartbeats: it is still there after its TTL.
	two := etcd.NewRegistrar(client, etcd.Service{
		Key: prefix + "/two", Value: "http://two", TTL: etcd.NewTTLOption(heartbeat, ttl),
	}, logger)
	two.Register()
	if err := await(events, "http://one", "http://two"); err != nil {
		return err
	}
	if err := outlive(client, "http://one", "http://two"); err != nil {
		return err
	}
	one.Deregister()
	if err := await(events, "http://two"); err != nil {
		return err
	}
	two.Deregister()
	return await(events)
}

// await reads events until one has these instances, and prints them.
func await(events <-chan sd.Event, want ...string) error {
	timeout := time.After(patience)
	for {
		select {
		case e := <-events:
			if e.Err != nil {
				return fmt.Errorf("event: %w", e.Err)
			}
			if slices.Sort(e.Instances); slices.Equal(e.Instances, want) {
				fmt.Println("found", e.Instances)
				return nil
			}
		case <-timeout:
			return fmt.Errorf("%v are not found", want)
		}
	}
}

// outlive looks for longer than a TTL whether all are registered.
func outlive(client etcd.Client, want ...string) error {
	look := time.NewTicker(heartbeat / 5)
	defer look.Stop()
	for end := time.Now().Add(ttl + heartbeat); time.Now().Before(end); <-look.C {
		got, err := client.GetEntries(prefix)
		if err != nil {
			return fmt.Errorf("entries: %w", err)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("%v are registered, not %v", got, want)
		}
	}
	fmt.Println("lasting", want)
	return nil
}
