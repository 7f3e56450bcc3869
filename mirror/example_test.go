package mirror_test

import (
	"context"
	"fmt"
	"path"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/mirror"
)

// A program holds the addresses of the services that it calls. Their instances
// write them below /services, with a TTL. Here, a store in memory stands for
// client.NewKeysAPI.
func Example() {
	var kapi client.KeysAPI = newStore(1000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	set := func(key, value string) uint64 {
		r, err := kapi.Set(ctx, key, value, nil)
		if err != nil {
			panic(err)
		}
		return r.Node.ModifiedIndex
	}
	set("/services/web/1", "10.0.0.1:80")
	set("/services/web/2", "10.0.0.2:80")

	reported := make(chan []mirror.Change)
	services, err := mirror.New(ctx, kapi, "/services", &mirror.Options{
		OnChange: func(changes []mirror.Change) {
			select {
			case reported <- changes:
			case <-ctx.Done(): // so that Close can return
			}
		},
	})
	if err != nil {
		panic(err)
	}
	defer services.Close()
	defer cancel()

	report := func() {
		for _, c := range <-reported {
			fmt.Println(c.Kind, c.Key)
		}
	}
	report() // what is there

	// Read what one has written.
	index := set("/services/db/1", "10.0.0.9:5432")
	report()
	if err = services.WaitIndex(ctx, index); err != nil {
		panic(err)
	}
	view := services.View() // these reads agree with each other
	for _, service := range view.List("/services") {
		for _, instance := range view.List(service.Key) {
			fmt.Println(path.Base(service.Key), "at", instance.Value)
		}
	}

	if _, err = kapi.Delete(ctx, "/services/web", &client.DeleteOptions{Recursive: true}); err != nil {
		panic(err)
	}
	report()

	// Output:
	// added /services
	// added /services/web
	// added /services/web/1
	// added /services/web/2
	// added /services/db
	// added /services/db/1
	// db at 10.0.0.9:5432
	// web at 10.0.0.1:80
	// web at 10.0.0.2:80
	// removed /services/web/2
	// removed /services/web/1
	// removed /services/web
}
