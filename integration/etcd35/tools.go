//go:build tools

// Package etcd35 pins the etcd 3.5 server that the integration tests run.
package etcd35

import _ "go.etcd.io/etcd/server/v3" // the server, built with go build -o FILE go.etcd.io/etcd/server/v3
