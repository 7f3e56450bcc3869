package main

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestScripts plays the stories in testdata, on real servers: who reads them
// sees what the command prints.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"etcd":   scriptEtcd(harness.BuildEtcd35),
			"etcd37": scriptEtcd(harness.BuildEtcd37),
			"exits":  scriptExits,
			"put":    scriptPut,
		},
	})
}

// scriptEtcd starts an etcd for each name, and sets the variable of that name
// to its URL.
func scriptEtcd(build func(context.Context) (harness.Server, error)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, names []string) {
		ctx := context.Background()
		server, err := build(ctx)
		ts.Check(err)
		for _, name := range names {
			cluster, err := harness.StartCluster(ctx, server, harness.Options{})
			ts.Check(err)
			ts.Defer(func() { ts.Check(cluster.Close()) })
			ts.Setenv(name, cluster.Endpoints()[0])
		}
	}
}

// scriptExits runs a program, which must end with the exit code given.
func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = failed.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// scriptPut writes keys to a store: put URL KEY VALUE KEY VALUE….
func scriptPut(ts *testscript.TestScript, _ bool, args []string) {
	transport, err := client.NewTransport(client.TransportOptions{})
	ts.Check(err)
	defer func() { _ = transport.Close() }()
	c, err := client.New(client.Config{Endpoints: args[:1], Transport: transport})
	ts.Check(err)
	kapi := client.NewKeysAPI(c)
	for pairs := args[1:]; len(pairs) >= 2; pairs = pairs[2:] {
		_, err := kapi.Set(context.Background(), pairs[0], pairs[1], nil)
		ts.Check(err)
	}
}
