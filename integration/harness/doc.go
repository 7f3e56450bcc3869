// Package harness runs real etcd servers for tests and for the demo.
//
// Its core starts and ends processes and knows nothing of package testing:
// [StartCluster], [NewCA] and [StartDNS] return errors. The functions that take
// a testing.TB are thin wrappers of it, which fail the test and clean up at its
// end.
//
// No server outlives the process that started it, however that process ends:
// each server is watched over by a small shell which kills the server as soon
// as a pipe held by the starting process closes.
package harness
