package client_test

import (
	"context"
	"fmt"
	"time"

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

// Make a client whose endpoints are those of a domain's SRV records, now and when
// they change.
func ExampleNewFromSRV() { //nolint:testableexamples // compiled only: it needs a DNS server
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.NewFromSRV(ctx, client.SRV{Domain: "example.com", Service: "blue"}, client.Config{
		Username: "app",
		Password: "secret", // goes to https endpoints below example.com alone
	})
	if err != nil {
		fmt.Println(err) // says what became of both look-ups
		return
	}
	resp, err := client.NewKeysAPI(c).Get(ctx, "/config", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Node.Value)
}
