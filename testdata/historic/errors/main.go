package main

import (
	"fmt"
	"io/ioutil"
	"log"
	"os"
	"time"

	"github.com/coreos/etcd/client"
	"golang.org/x/net/context"
)

func main() {
	cfg := client.Config{Endpoints: []string{"http://127.0.0.1:2379"}}
	c, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	kapi := client.NewKeysAPI(c)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch scenario(os.Args) {
	case "cancel": // when standard input ends
		go func() {
			ioutil.ReadAll(os.Stdin)
			cancel()
		}()
	case "deadline":
		ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
	}

	_, err = kapi.Set(ctx, "/foo", "bar", nil)
	if err == nil {
		fmt.Println("no error")
	} else if err == context.Canceled {
		fmt.Println("canceled: ctx was canceled by another goroutine")
	} else if err == context.DeadlineExceeded {
		fmt.Println("deadline: ctx has a deadline and it was exceeded")
	} else if cerr, ok := err.(*client.ClusterError); ok {
		for _, e := range cerr.Errors {
			fmt.Println("cluster error:", e)
		}
	} else {
		fmt.Println("bad cluster endpoints:", err)
	}
}

func scenario(args []string) string {
	if len(args) < 2 {
		return ""
	}
	return args[1]
}
