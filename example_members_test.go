package client_test

import (
	"context"
	"fmt"

	"github.com/coreos/etcd/client"
)

// Who is in the cluster, and who leads it.
func ExampleMembersAPI() {
	server := newExampleServer()
	defer server.Close()

	c, err := client.New(client.Config{Endpoints: []string{server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	mapi := client.NewMembersAPI(c)
	ctx := context.Background()

	leader, err := mapi.Leader(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	members, err := mapi.List(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range members {
		fmt.Println(m.Name, m.ID, "peers at", m.PeerURLs, "leads:", m.ID == leader.ID)
	}
	// Output: m0 61ed543d4676de16 peers at [http://127.0.0.1:2380] leads: true
}
