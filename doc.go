// Package client is a client of etcd's HTTP/JSON v2 API.
package client
