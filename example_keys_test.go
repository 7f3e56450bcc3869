package client_test

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/coreos/etcd/client"
)

// exampleKeys makes a KeysAPI of the server, as New and NewKeysAPI do.
func exampleKeys(server *exampleServer) client.KeysAPI {
	c, err := client.New(client.Config{Endpoints: []string{server.URL}})
	if err != nil {
		panic(err) // the server's URL is one
	}
	return client.NewKeysAPI(c)
}

// Read a directory with everything below it, in the order of the keys.
func ExampleKeysAPI_get() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/services/web/a", "10.0.0.1:80")
	server.anotherProgramSets("/services/web/b", "10.0.0.2:80")
	server.anotherProgramSets("/services/db/a", "10.0.0.3:5432")
	kapi := exampleKeys(server)

	resp, err := kapi.Get(context.Background(), "/services", &client.GetOptions{Recursive: true, Sort: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, service := range resp.Node.Nodes {
		for _, instance := range service.Nodes {
			fmt.Println(path.Base(service.Key), "at", instance.Value)
		}
	}
	// Output:
	// db at 10.0.0.3:5432
	// web at 10.0.0.1:80
	// web at 10.0.0.2:80
}

// Change a value that others change as well: read it, set it on condition that
// it is still what was read, and begin again when it is not.
func ExampleKeysAPI_set_compareAndSwap() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/counter", "1")
	server.beforeNextWrite("/counter", "41")
	kapi := exampleKeys(server)
	ctx := context.Background()

	for {
		// A quorum read: a value from a member that is behind could not be swapped.
		resp, err := kapi.Get(ctx, "/counter", &client.GetOptions{Quorum: true})
		if err != nil {
			fmt.Println(err)
			return
		}
		n, err := strconv.Atoi(resp.Node.Value)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp, err = kapi.Set(ctx, "/counter", strconv.Itoa(n+1), &client.SetOptions{PrevIndex: resp.Node.ModifiedIndex})
		if client.IsTestFailed(err) {
			fmt.Println(n, "is outdated")
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.PrevNode.Value, "became", resp.Node.Value)
		return
	}
	// Output:
	// 1 is outdated
	// 41 became 42
}

// Create is for the one that comes first.
func ExampleKeysAPI_create() {
	server := newExampleServer()
	defer server.Close()
	kapi := exampleKeys(server)

	for _, candidate := range []string{"alice", "bob"} {
		_, err := kapi.Create(context.Background(), "/leader", candidate)
		switch {
		case client.IsNodeExist(err):
			fmt.Println(candidate, "comes late")
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(candidate, "leads")
		}
	}
	// Output:
	// alice leads
	// bob comes late
}

// A queue: each job is stored under a name that is greater than the last, so
// reading in the order of the keys reads in the order of arrival.
func ExampleKeysAPI_createInOrder() {
	server := newExampleServer()
	defer server.Close()
	kapi := exampleKeys(server)
	ctx := context.Background()

	for _, job := range []string{"first", "second"} {
		if _, err := kapi.CreateInOrder(ctx, "/queue", job, &client.CreateInOrderOptions{TTL: time.Hour}); err != nil {
			fmt.Println(err)
			return
		}
	}
	resp, err := kapi.Get(ctx, "/queue", &client.GetOptions{Sort: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, job := range resp.Node.Nodes {
		fmt.Println(job.Value)
	}
	// Output:
	// first
	// second
}

// Give a lock back, but only one's own: it may have expired and be another's.
func ExampleKeysAPI_delete() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/lock", "bob")
	kapi := exampleKeys(server)

	for _, holder := range []string{"alice", "bob"} {
		_, err := kapi.Delete(context.Background(), "/lock", &client.DeleteOptions{PrevValue: holder})
		switch {
		case client.IsTestFailed(err):
			fmt.Println("not", holder+"'s lock")
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(holder, "released it")
		}
	}
	// Output:
	// not alice's lock
	// bob released it
}

// Announce something for as long as this program lives: set it with a TTL, and
// refresh the TTL before it ends. A refresh keeps the value and tells no watcher.
func ExampleKeysAPI_set_refresh() {
	server := newExampleServer()
	defer server.Close()
	kapi := exampleKeys(server)
	ctx := context.Background()

	resp, err := kapi.Set(ctx, "/services/web/a", "10.0.0.1:80", &client.SetOptions{TTL: 30 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Node.Value, "for", resp.Node.TTLDuration())

	// Every 10 seconds or so:
	refresh := &client.SetOptions{TTL: 30 * time.Second, Refresh: true, PrevExist: client.PrevExist}
	resp, err = kapi.Set(ctx, "/services/web/a", "", refresh)
	if client.IsKeyNotFound(err) {
		fmt.Println("expired meanwhile: set it again, with its value")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Node.Value, "for another", resp.Node.TTLDuration())
	// Output:
	// 10.0.0.1:80 for 30s
	// 10.0.0.1:80 for another 30s
}

// Wait for the next change of one key, from now on.
func ExampleKeysAPI_watcher() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/config", "old")
	server.afterNextWatch("/config", "new")
	kapi := exampleKeys(server)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	event, err := kapi.Watcher("/config", nil).Next(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(event.Action, event.Node.Key, event.Node.Value)
	// Output: set /config new
}

// Follow a directory without missing anything: read it, watch from the index of
// what was read, and when events were lost for good, read it again.
func ExampleIsEventIndexCleared() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/jobs/1", "new")
	kapi := exampleKeys(server)
	ctx := context.Background()
	whole := &client.GetOptions{Recursive: true}

	resp, err := kapi.Get(ctx, "/jobs", whole)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("read", len(resp.Node.Nodes), "jobs")
	watcher := kapi.Watcher("/jobs", &client.WatcherOptions{AfterIndex: resp.Index, Recursive: true})

	// Meanwhile more happens than the server remembers.
	server.anotherProgramSets("/jobs/2", "new")
	for i := range exampleHistory {
		server.anotherProgramSets("/elsewhere", strconv.Itoa(i))
	}

	for {
		event, err := watcher.Next(ctx)
		if client.IsEventIndexCleared(err) {
			resp, err = kapi.Get(ctx, "/jobs", whole)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println("events were lost, read", len(resp.Node.Nodes), "jobs")
			watcher = kapi.Watcher("/jobs", &client.WatcherOptions{AfterIndex: resp.Index, Recursive: true})
			server.afterNextWatch("/jobs/2", "done")
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event.Action, event.Node.Key, event.Node.Value)
		if event.Node.Value == "done" {
			return
		}
	}
	// Output:
	// read 1 jobs
	// events were lost, read 2 jobs
	// set /jobs/2 done
}
