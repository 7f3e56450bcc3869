package dump_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

// twoStores are a full one and an empty one; in a program, client.NewKeysAPI makes
// them.
func twoStores(ctx context.Context) (from, to client.KeysAPI) {
	from, to = keystest.New(), keystest.New()
	for key, value := range map[string]string{"/app/port": "80", "/app/_token": "secret", "/jobs/1": "mail"} {
		if _, err := from.Set(ctx, key, value, nil); err != nil {
			log.Fatal(err)
		}
	}
	return from, to
}

// A store is moved to another, and what has arrived is compared.
func Example() {
	ctx := context.Background()
	from, to := twoStores(ctx)

	var file bytes.Buffer
	exported, err := dump.Export(ctx, from, &file, dump.ExportOptions{Hidden: []string{"/app/_token"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(exported.Keys, "keys and", exported.Directories, "directories; hidden:", exported.HiddenFound)

	imported, err := dump.Import(ctx, to, bytes.NewReader(file.Bytes()), dump.ImportOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(imported.Created, "created; verified:", imported.Verified)

	again, err := dump.Import(ctx, to, bytes.NewReader(file.Bytes()), dump.ImportOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(again.Created, "created,", again.Unchanged, "unchanged")

	// Output:
	// 3 keys and 2 directories; hidden: [/app/_token]
	// 5 created; verified: true
	// 0 created, 5 unchanged
}

func ExampleDiff() {
	ctx := context.Background()
	from, to := twoStores(ctx)
	if _, err := to.Set(ctx, "/app/port", "8080", nil); err != nil {
		log.Fatal(err)
	}
	for d, err := range dump.Diff(ctx, dump.Store(from, "/app", "/app/_token"), dump.Store(to, "/app"), dump.DiffOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(d.Kind, d.Key)
	}
	// Output:
	// left /_token
	// changed /port
}
