package move_test

import (
	"context"
	"fmt"
	"log"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
	"github.com/coreos/etcd/client/move"
)

// A directory moves while a program writes to it. In a program, client.NewKeysAPI
// makes the source, and keysapi.Open of the clientv3 module the target.
func Example() {
	ctx := context.Background()
	from, to := keystest.New(), keystest.New()
	if err := moveApp(ctx, from, to); err != nil {
		log.Fatal(err)
	}
	// The program goes on with the target.
	resp, err := to.Get(ctx, "/app/port", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Node.Value)
	// Output:
	// 1 key is equal; 1 change applied; 0 late
	// 81
}

func moveApp(ctx context.Context, from, to client.KeysAPI) error {
	_, err := from.Set(ctx, "/app/port", "80", nil)
	if err != nil {
		return err
	}
	m, err := move.Start(ctx, from, to, &move.Options{From: "/app"})
	if err != nil {
		return err
	}
	defer m.Close()
	if err = m.CaughtUp(ctx); err != nil {
		return err
	}

	// The program writes, and then stops.
	if _, err = from.Set(ctx, "/app/port", "81", nil); err != nil {
		return err
	}
	report, err := m.Switch(ctx)
	if err != nil {
		return err
	}
	fmt.Println(report.Keys, "key is equal;", report.Applied, "change applied;", report.TotalLate, "late")
	return nil
}
