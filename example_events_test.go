package client_test

import (
	"context"
	"fmt"

	"github.com/coreos/etcd/client"
)

// Follow one key, from what it is now on. Leaving the loop ends the watch.
func ExampleEvents() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/config/level", "info")
	server.afterNextWatch("/config/level", "debug")
	kapi := exampleKeys(server)

	for event, err := range client.Events(context.Background(), kapi, "/config/level", &client.EventsOptions{Snapshot: true}) {
		if err != nil {
			fmt.Println(err) // the last thing the loop sees
			return
		}
		switch {
		case event.Kind == client.EventResync && event.Node == nil, event.IsDelete():
			fmt.Println("no level is set")
		case event.Kind == client.EventResync:
			fmt.Println("the level is", event.Node.Value)
		default:
			fmt.Println("the level is now", event.Node.Value)
			return
		}
	}
	// Output:
	// the level is info
	// the level is now debug
}

// Follow a tree: a snapshot first, and then, without a gap, what changes.
func ExampleEvents_tree() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/jobs/1", "running")
	server.afterNextWatch("/jobs/2", "queued")
	kapi := exampleKeys(server)

	jobs := map[string]string{}
	opts := &client.EventsOptions{Recursive: true, Snapshot: true}
	for event, err := range client.Events(context.Background(), kapi, "/jobs", opts) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch {
		case event.Kind == client.EventResync: // at first, and after lost history
			clear(jobs)
			for _, job := range childrenOf(event.Node) {
				jobs[job.Key] = job.Value
			}
		case event.IsDelete():
			delete(jobs, event.Node.Key)
		default:
			jobs[event.Node.Key] = event.Node.Value
		}
		fmt.Println("at", event.Kind, jobs)
		if len(jobs) == 2 {
			break
		}
	}
	// Output:
	// at resync map[/jobs/1:running]
	// at set map[/jobs/1:running /jobs/2:queued]
}

// childrenOf returns none for a directory that does not exist.
func childrenOf(dir *client.Node) client.Nodes {
	if dir == nil {
		return nil
	}
	return dir.Nodes
}
