// Program dropin is written against the historic client, as programs have been
// since etcd 2. The test builds it with a replace directive and runs it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"go.etcd.io/etcd/client/v2"
)

func main() {
	live, dead := os.Args[1], os.Args[2]
	cfg := client.Config{
		Endpoints:               []string{live},
		Transport:               client.DefaultTransport,
		HeaderTimeoutPerRequest: 5 * time.Second,
	}
	c, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	kapi := client.NewKeysAPI(c)
	ctx := context.Background()

	resp, err := kapi.Set(ctx, "/dropin", "one", &client.SetOptions{TTL: time.Minute, PrevExist: client.PrevIgnore})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Action, resp.Node.Key, resp.Node.Value, resp.Node.TTL)

	resp, err = kapi.Get(ctx, "/dropin", &client.GetOptions{Quorum: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Action, resp.Node.Value)

	resp, err = kapi.Set(ctx, "/dropin", "two", &client.SetOptions{PrevIndex: resp.Node.ModifiedIndex})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Action, resp.PrevNode.Value, resp.Node.Value)

	_, err = kapi.Set(ctx, "/dropin", "three", &client.SetOptions{PrevValue: "one"})
	if cErr, ok := err.(client.Error); !ok || cErr.Code != client.ErrorCodeTestFailed {
		log.Fatalf("compare: %v", err)
	} else {
		fmt.Println(cErr.Code, cErr.Message, cErr.Cause)
	}

	_, err = kapi.Get(ctx, "/nothing", nil)
	fmt.Println("key not found:", client.IsKeyNotFound(err))

	cfg.Endpoints = []string{dead}
	c, err = client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.NewKeysAPI(c).Get(ctx, "/dropin", nil)
	if cErr, ok := err.(*client.ClusterError); ok {
		fmt.Println(cErr == nil, len(cErr.Errors), cErr.Error()[:len(client.ErrClusterUnavailable.Error())])
	} else {
		log.Fatalf("dead endpoint: %v", err)
	}
}
