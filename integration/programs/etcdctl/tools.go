//go:build tools

// Package etcdctl pins the etcdctl that the tests of programs/ run, with this
// client in place of the historic one.
package etcdctl

import _ "go.etcd.io/etcd/etcdctl/v3"
