// Package concurrency has sessions, locks, elections and queues on the etcd v2
// API.
package concurrency
