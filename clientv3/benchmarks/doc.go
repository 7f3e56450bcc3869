// Package benchmarks compares clientv3 with go.etcd.io/etcd/client/v3, here
// called today's client.
//
// Both do the same work in the same process, in turns: each [Row] plays rounds of
// one after the other, again and again, and compares the medians. A stub in
// another process answers, so that processor time and allocations are those of
// the clients, and of the grpc-go that both share.
//
// In the same way clientv3/keysapi, the bridge, is compared on real servers with the
// v2 API itself and with what a program of the v3 API does for the same.
package benchmarks
