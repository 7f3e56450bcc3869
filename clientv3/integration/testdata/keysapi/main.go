// Command keysapi sets and gets a key by KeysAPI, on whatever etcd there is.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3/keysapi"
)

func main() {
	if err := run(context.Background(), strings.Split(os.Getenv("ENDPOINTS"), ",")); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, endpoints []string) error {
	cluster, err := keysapi.Open(ctx, client.Config{Endpoints: endpoints})
	if err != nil {
		return err
	}
	defer cluster.Close()
	if _, err := cluster.Keys.Set(ctx, "/config", "on", nil); err != nil {
		return err
	}
	resp, err := cluster.Keys.Get(ctx, "/config", nil)
	if err != nil {
		return err
	}
	fmt.Println(resp.Node.Key, "is", resp.Node.Value)
	return nil
}
