package client

import (
	"fmt"
	"time"
)

// Node is a file or a directory of the key space. Nodes of one reply share
// memory: one that is kept keeps up to 50 KiB of its reply alive, besides its own
// text and, of a directory, what is below.
type Node struct {
	// Key is the node's path, beginning with a slash; empty for the root.
	Key string `json:"key"`

	// Dir is true for a directory.
	Dir bool `json:"dir,omitempty"`

	// Value is what a file holds; empty for a directory.
	Value string `json:"value"`

	// Nodes are a directory's children, with their own where the call was
	// recursive. Hidden ones are left out.
	Nodes Nodes `json:"nodes"`

	// CreatedIndex is the store's index at which the node came to be.
	CreatedIndex uint64 `json:"createdIndex"`

	// ModifiedIndex is the store's index of the last change.
	ModifiedIndex uint64 `json:"modifiedIndex"`

	// Expiration is when the node goes away, by the server's clock; nil: never.
	Expiration *time.Time `json:"expiration,omitempty"`

	// TTL is the time left until then in seconds when the server answered; zero
	// for a node that does not expire.
	TTL int64 `json:"ttl,omitempty"`
}

// String gives key, indexes and TTL, and not the value.
func (n *Node) String() string {
	return fmt.Sprintf("{Key: %s, CreatedIndex: %d, ModifiedIndex: %d, TTL: %d}", n.Key, n.CreatedIndex, n.ModifiedIndex, n.TTL)
}

// TTLDuration gives TTL as a duration.
func (n *Node) TTLDuration() time.Duration {
	return time.Duration(n.TTL) * time.Second
}

// Nodes are nodes that package sort can order by key.
type Nodes []*Node

// Len implements sort.Interface.
func (ns Nodes) Len() int { return len(ns) }

// Less implements sort.Interface: by key, byte by byte.
func (ns Nodes) Less(i, j int) bool { return ns[i].Key < ns[j].Key }

// Swap implements sort.Interface.
func (ns Nodes) Swap(i, j int) { ns[i], ns[j] = ns[j], ns[i] }
