// Instructions counts the instructions of one operation of a client, on canned
// replies, by valgrind's callgrind.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/coreos/etcd/client/benchmarks"
)

func main() {
	benchmarks.RunRole()
	var w benchmarks.Work
	flag.StringVar(&w.Client, "client", "ours", "ours, historic, bare or reading; for decode: json-iterator, json-iterator fastest, ugorji or encoding/json")
	flag.StringVar(&w.Verb, "work", "get", "get, set, tree (a recursive Get) or decode (a tree, by a decoder)")
	flag.IntVar(&w.Nodes, "nodes", 100, "the nodes of the tree")
	n := flag.Int("n", 3000, "how many operations are counted")
	flag.Parse()
	counted, err := benchmarks.Instructions(context.Background(), w, *n)
	if err != nil {
		fmt.Fprintln(os.Stderr, "instructions:", err)
		os.Exit(1)
	}
	fmt.Printf("%.0f instructions\n", counted)
}
