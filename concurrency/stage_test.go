package concurrency_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// isBare reports whether an error is one that is returned unwrapped.
func isBare(err, want error) bool {
	return err == want //nolint:errorlint // identity is what is promised
}

// begin begins a session with a TTL whose requests are those of the caller name.
// It is closed at the end of the test.
func begin(t *testing.T, kapi client.KeysAPI, name string, ttl int) *concurrency.Session {
	t.Helper()
	s, err := concurrency.NewSession(kapi, concurrency.WithTTL(ttl), concurrency.WithContext(keystest.As(context.Background(), name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) // some tests leave the store cut off
	return s
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

// must fails the test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keysBelow gives the keys of the files in a directory, hidden ones too.
func keysBelow(store *keystest.Store, dir string) []string {
	var keys []string
	for _, n := range store.Dump() {
		if strings.HasPrefix(n.Key, dir+"/") && !n.Dir {
			keys = append(keys, n.Key)
		}
	}
	return keys
}

// find gives a node, nil if there is none.
func find(store *keystest.Store, key string) *client.Node {
	for _, n := range store.Dump() {
		if n.Key == key {
			return n
		}
	}
	return nil
}

// expiry gives when a key expires.
func expiry(t *testing.T, store *keystest.Store, key string) time.Time {
	t.Helper()
	n := find(store, key)
	if n == nil || n.Expiration == nil {
		t.Fatalf("%s does not expire: %v", key, n)
	}
	return *n.Expiration
}

// register is what a lock protects: it knows who is inside, and refuses numbers that
// are not greater than all before.
type register struct {
	t *testing.T

	mu     sync.Mutex // guards the fields below
	inside string
	newest uint64
	order  []string
}

// enter notes that somebody holds the lock with a fence.
func (r *register) enter(name string, fence uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside != "" {
		r.t.Errorf("%s and %s hold the lock at once", r.inside, name)
	}
	if fence <= r.newest {
		r.t.Errorf("%s has the fence %d after %d", name, fence, r.newest)
	}
	r.inside, r.newest = name, fence
	r.order = append(r.order, name)
}

// exit notes that the holder has stopped.
func (r *register) exit(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside != name {
		r.t.Errorf("%s stops while %q is inside", name, r.inside)
	}
	r.inside = ""
}
