// Package benchmarks compares the client with its peers: the historic client
// (go.etcd.io/etcd/client/v2, with json-iterator in it) and a program with net/http
// and encoding/json alone.
//
// Every peer does the same work in the same process, in interleaved rounds: each
// [Row] runs a round of one after the other, again and again, and compares the
// medians. So what else the machine does affects all of them alike. What a row measures over a
// socket is answered by another process, so that processor time, allocations and
// goroutines are the client's own.
//
// `make bench` prints the table of all rows, and `make chart` writes what the
// repository has of them: [Results], their table, a chart and README.md's rows. The benchmarks of package testing
// here measure the same work for benchstat and for profiles.
package benchmarks
