// Historic is a program that calls New, Get and List.
package main

import (
	"context"
	"fmt"
	"os"

	"go.etcd.io/etcd/client/v2"
)

func main() {
	c, err := client.New(client.Config{Endpoints: os.Args[1:]})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.NewKeysAPI(c).Get(context.Background(), "/a", nil))
	fmt.Println(client.NewMembersAPI(c).List(context.Background()))
}
