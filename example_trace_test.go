package client_test

import (
	"context"
	"encoding/json"
	"expvar"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/etcd/client"
)

// See each attempt, and what became of it.
func ExampleTrace() {
	server := newExampleServer()
	defer server.Close()
	server.loseNextReply()

	c, err := client.New(client.Config{
		Endpoints: []string{server.URL},
		Trace: &client.Trace{
			AttemptDone: func(r client.AttemptResult) {
				fmt.Println(r.Method, r.Path, "may be repeated:", r.Class)
				fmt.Println("->", r.Verdict, r.StatusCode, "sent:", r.Sent, "error:", r.Err)
			},
			EndpointUnhealthy: func(client.HealthInfo) { fmt.Println("-> asked last from now on") },
			EndpointHealthy:   func(client.HealthInfo) { fmt.Println("-> healthy again") },
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	kapi, ctx := client.NewKeysAPI(c), context.Background()
	if _, err = kapi.Create(ctx, "/lock", "alice"); err == nil {
		fmt.Println("the reply was not lost")
	}
	if _, err = kapi.Get(ctx, "/lock", nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// PUT /v2/keys/lock may be repeated: at-most-once
	// -> stop 0 sent: true error: EOF
	// -> asked last from now on
	// GET /v2/keys/lock may be repeated: read
	// -> answered 200 sent: true error: <nil>
	// -> healthy again
}

// Find out how long one call takes, and at how many endpoints.
func ExampleWithTrace() {
	server := newExampleServer()
	defer server.Close()
	kapi := exampleKeys(server)

	var spent time.Duration
	ctx := client.WithTrace(context.Background(), &client.Trace{
		AttemptDone: func(r client.AttemptResult) {
			spent += r.Duration
			fmt.Println("attempt", r.Number, r.Verdict)
		},
	})
	if _, err := kapi.Set(ctx, "/foo", "bar", nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("took time:", spent > 0)
	// Output:
	// attempt 1 answered
	// took time: true
}

// Publish the numbers of a client at /debug/vars.
func ExampleStatsOf() {
	server := newExampleServer()
	defer server.Close()

	c, err := client.New(client.Config{Endpoints: []string{server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	numbers := expvar.Func(func() any {
		s, _ := client.StatsOf(c) // c is a client that New has made
		return s
	})
	// A program does, once: expvar.Publish("etcd", numbers)

	for range 3 {
		if _, err = client.NewKeysAPI(c).Set(context.Background(), "/foo", "bar", nil); err != nil {
			fmt.Println(err)
			return
		}
	}
	var seen struct {
		Calls, Attempts, Failed int
		Endpoints               []struct{ Answered int }
	}
	if err = json.Unmarshal([]byte(numbers.String()), &seen); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%+v\n", seen)
	// Output: {Calls:3 Attempts:3 Failed:0 Endpoints:[{Answered:3}]}
}

// Log what goes wrong. At Warn it is what callers see fail; at Debug also what
// they don't, such as an endpoint that another has stood in for.
func ExampleConfig_logger() {
	server := newExampleServer()
	defer server.Close()
	server.loseNextReply()

	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "error" { // which has a port that differs
			return slog.Attr{}
		}
		return a
	}
	c, err := client.New(client.Config{
		Endpoints: []string{server.URL},
		Logger:    slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = client.NewKeysAPI(c).Create(context.Background(), "/lock", "alice"); err == nil {
		fmt.Println("the reply was not lost")
	}
	// Output: level=WARN msg="etcd write may have been applied" method=PUT path=/v2/keys/lock attempts=1
}
