// This program has the shape of those in the historic README.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/clientv3"
)

const timeout = 10 * time.Second

func main() {
	cli, err := clientv3.New(clientv3.Config{
		Endpoints:   strings.Split(os.Getenv("ENDPOINTS"), ","),
		DialTimeout: 10 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	kvc := clientv3.NewKV(cli)

	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	resp, err := kvc.Put(ctx, "sample_key", "sample_value")
	cancel()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("revision", resp.Header.Revision)

	ctx, cancel = context.WithTimeout(context.Background(), timeout)
	_, err = kvc.Put(ctx, "", "sample_value")
	cancel()
	tell(err)

	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	_, err = kvc.Put(ctx, "sample_key", "sample_value")
	tell(err)

	ctx, cancel = context.WithTimeout(context.Background(), 0)
	_, err = kvc.Put(ctx, "sample_key", "sample_value")
	cancel()
	tell(err)
}

func tell(err error) {
	switch err {
	case nil:
		fmt.Println("no error")
	case context.Canceled:
		fmt.Println("ctx is canceled by another routine")
	case context.DeadlineExceeded:
		fmt.Println("ctx is attached with a deadline and it exceeded")
	case rpctypes.ErrEmptyKey:
		fmt.Println("client-side error:", err)
	default:
		fmt.Println("bad cluster endpoints:", err)
	}
}
