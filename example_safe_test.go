package client_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/coreos/etcd/client"
)

// Take a lock whose holder is its value: empty means that it is free.
func ExampleCompareAndSwap() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/lock", "")
	kapi := exampleKeys(server)
	ctx := context.Background()

	for _, me := range []string{"alice", "bob"} {
		resp, err := client.CompareAndSwap(ctx, kapi, "/lock", me, client.IfValue(""), nil)
		switch {
		case client.IsTestFailed(err):
			fmt.Println(me, "has to wait")
		case errors.Is(err, client.ErrOutcomeUnknown):
			fmt.Println(me, "has to look who has it")
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(resp.Node.Value, "holds it")
		}
	}

	var forgotten client.Condition
	_, err := client.CompareAndSwap(ctx, kapi, "/lock", "carol", forgotten, nil)
	fmt.Println(err)
	// Output:
	// alice holds it
	// bob has to wait
	// client: invalid condition: for key "/lock" it is empty; use IfValue or IfIndex
}

// Remove what was read, and only that.
func ExampleCompareAndDelete() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/job", "new")
	kapi := exampleKeys(server)
	ctx := context.Background()

	read, err := kapi.Get(ctx, "/job", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server.anotherProgramSets("/job", "new") // the same value, and another job
	_, err = client.CompareAndDelete(ctx, kapi, "/job", client.IfIndex(read.Node.ModifiedIndex))
	fmt.Println(client.IsTestFailed(err))
	_, err = client.CompareAndDelete(ctx, kapi, "/job", client.IfValue("new"))
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

// Count, whoever else does, and know what came of it.
func ExampleModify() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/counter", "1")
	server.beforeNextWrite("/counter", "41")
	kapi := exampleKeys(server)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	resp, err := client.Modify(ctx, kapi, "/counter", func(old *client.Node) (string, error) {
		if old == nil {
			return "1", nil
		}
		n, err := strconv.Atoi(old.Value)
		return strconv.Itoa(n + 1), err
	}, nil)
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown):
		fmt.Println("counted once, or not")
	case err != nil:
		fmt.Println("not counted:", err)
	default:
		fmt.Println(resp.PrevNode.Value, "became", resp.Node.Value)
	}
	// Output: 41 became 42
}

// A value that nobody else writes lets Modify recognize it when the answer is
// lost.
func ExampleModify_unique() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/owner", "nobody")
	server.loseNextReply()
	kapi := exampleKeys(server)

	resp, err := client.Modify(context.Background(), kapi, "/owner", func(old *client.Node) (string, error) {
		if old != nil && old.Value != "nobody" {
			return "", client.ErrUnchanged
		}
		return "host-7/b51f0c9e", nil // with a random part
	}, &client.ModifyOptions{Unique: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Action, resp.Node.Value)
	// Output: compareAndSwap host-7/b51f0c9e
}

// Announce something for as long as this program lives, and in the end for ever.
func ExampleRefresh() {
	server := newExampleServer()
	defer server.Close()
	kapi := exampleKeys(server)
	ctx := context.Background()

	if _, err := kapi.Set(ctx, "/services/web", "10.0.0.1:80", &client.SetOptions{TTL: 30 * time.Second}); err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.Refresh(ctx, kapi, "/services/web", time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Node.Value, "for", resp.Node.TTLDuration())

	resp, err = client.Persist(ctx, kapi, "/services/web")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Node.Value, "expires:", resp.Node.Expiration != nil)
	// Output:
	// 10.0.0.1:80 for 1m0s
	// 10.0.0.1:80 expires: false
}

// exampleTree reads a tree of services.
func exampleTree(server *exampleServer) (*client.Node, error) {
	server.anotherProgramSets("/services/db/a", "10.0.0.3:5432")
	server.anotherProgramSets("/services/web/a", "10.0.0.1:80")
	server.anotherProgramSets("/services/web/b", "10.0.0.2:80")
	resp, err := exampleKeys(server).Get(context.Background(), "/services", &client.GetOptions{Recursive: true, Sort: true})
	if err != nil {
		return nil, err
	}
	return resp.Node, nil
}

func ExampleNode_Leaves() {
	server := newExampleServer()
	defer server.Close()
	tree, err := exampleTree(server)
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := range tree.Leaves() {
		fmt.Println(n.Key, n.Value)
	}
	// Output:
	// /services/db/a 10.0.0.3:5432
	// /services/web/a 10.0.0.1:80
	// /services/web/b 10.0.0.2:80
}

func ExampleNode_Walk() {
	server := newExampleServer()
	defer server.Close()
	tree, err := exampleTree(server)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = tree.Walk(func(n *client.Node) error {
		if n.Key == "/services/web" {
			return fs.SkipDir
		}
		fmt.Println(n.Key)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /services
	// /services/db
	// /services/db/a
}

// A name from outside is one element, whatever is in it.
func ExampleJoinKey() {
	for _, name := range []string{"joe", "../root", "..", ""} {
		key := client.JoinKey("users", name, "mail")
		elem, err := client.SplitKey(key)
		fmt.Printf("%s %q %v\n", key, elem, err)
	}
	// Output:
	// /users/joe/mail ["users" "joe" "mail"] <nil>
	// /users/..%2Froot/mail ["users" "../root" "mail"] <nil>
	// /users/%2E%2E/mail ["users" ".." "mail"] <nil>
	// /users/%/mail ["users" "" "mail"] <nil>
}

// Read, and watch from there: nothing is missed that happens between.
func ExampleResponse_ResumeIndex() {
	server := newExampleServer()
	defer server.Close()
	server.anotherProgramSets("/config", "old")
	kapi := exampleKeys(server)
	ctx := context.Background()

	read, err := kapi.Get(ctx, "/config", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server.anotherProgramSets("/config", "new")
	event, err := kapi.Watcher("/config", &client.WatcherOptions{AfterIndex: read.ResumeIndex()}).Next(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(read.Node.Value, "became", event.Node.Value)
	// Output: old became new
}

// Read what one has written, from whatever member.
func ExampleMonotonicReads() {
	server := newExampleServer()
	defer server.Close()
	kapi := client.MonotonicReads(exampleKeys(server))
	ctx := context.Background()

	if _, err := kapi.Set(ctx, "/config", "new", nil); err != nil {
		fmt.Println(err)
		return
	}
	resp, err := kapi.Get(ctx, "/config", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Node.Value)
	// Output: new
}
