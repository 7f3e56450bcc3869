package client_test

import (
	"fmt"

	"github.com/coreos/etcd/client"
)

// Find the members by the SRV records of a domain.
func ExampleNewSRVDiscover() { //nolint:testableexamples // compiled only: it needs a DNS server
	endpoints, err := client.NewSRVDiscover().Discover("example.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := client.New(client.Config{Endpoints: endpoints})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Endpoints())
}
