//go:build tools

// Package etcd37 pins the etcd 3.7 server that the integration tests of clientv3 run.
package etcd37

import _ "go.etcd.io/etcd/server/v3" // the server, built with go build -o FILE go.etcd.io/etcd/server/v3
