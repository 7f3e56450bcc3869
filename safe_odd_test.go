package client_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// oddKeys is a store that does, for a while, what no server should.
type oddKeys struct {
	*modelStore
	get   func(reads int) (*client.Response, error) // both nil: as the store does
	set   func(writes int) error                    // nil: as the store does
	blind bool                                      // it has no Watcher

	reads, writes int
}

func (o *oddKeys) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	o.reads++
	if o.get != nil {
		if resp, err := o.get(o.reads); resp != nil || err != nil {
			return resp, err
		}
	}
	return o.modelStore.Get(ctx, key, opts)
}

func (o *oddKeys) Set(ctx context.Context, key, value string, opts *client.SetOptions) (*client.Response, error) {
	o.writes++
	if o.set != nil {
		if err := o.set(o.writes); err != nil {
			return nil, err
		}
	}
	return o.modelStore.Set(ctx, key, value, opts)
}

func (o *oddKeys) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	if o.blind {
		return nil
	}
	return o.modelStore.Watcher(key, opts)
}

var errUnauthorized = client.Error{Code: client.ErrorCodeUnauthorized, StatusCode: 401}

// writesThat fail with the errors, one after the other.
func writesThat(fail ...error) func(int) error {
	return func(writes int) error {
		if writes > len(fail) {
			return nil
		}
		return fail[writes-1]
	}
}

func TestSafeCallsOnOddKeys(t *testing.T) {
	modify := func(ctx context.Context, kapi client.KeysAPI) error {
		_, err := client.Modify(ctx, kapi, "/a", setTo("1"), nil)
		return err
	}
	modifyUnique := func(ctx context.Context, kapi client.KeysAPI) error {
		_, err := client.Modify(ctx, kapi, "/a", setTo("1"), &client.ModifyOptions{Unique: true})
		return err
	}
	persist := func(ctx context.Context, kapi client.KeysAPI) error {
		_, err := client.Persist(ctx, kapi, "/a")
		return err
	}
	failingRead := func(which int) func(int) (*client.Response, error) {
		return func(reads int) (*client.Response, error) {
			if reads == which {
				return nil, errNotSent
			}
			return nil, nil
		}
	}
	isUnauthorized := func(err error) bool { return same(err, errUnauthorized) }
	isNotSentError := func(err error) bool { return same(err, errNotSent) }
	succeeds := func(err error) bool { return err == nil }
	tests := []struct {
		name string
		keys oddKeys
		call func(context.Context, client.KeysAPI) error
		want func(error) bool
	}{
		{
			"a Get without a node",
			oddKeys{get: func(int) (*client.Response, error) { return &client.Response{}, nil }},
			modify,
			func(err error) bool { return err != nil && !errors.Is(err, client.ErrOutcomeUnknown) },
		},
		{"no read", oddKeys{get: failingRead(1)}, modify, isNotSentError},
		{"unauthorized", oddKeys{set: writesThat(errUnauthorized)}, modify, isUnauthorized},
		{"unauthorized after a loss", oddKeys{set: writesThat(errLost, errUnauthorized)}, modify, isOutcomeUnknown},
		{"a deadline of its own", oddKeys{set: writesThat(context.DeadlineExceeded)}, modify, succeeds},
		{"no history", oddKeys{set: writesThat(errLost, client.Error{Code: client.ErrorCodeTestFailed}), blind: true}, modify, isOutcomeUnknown},
		{"no read after a loss, for a while", oddKeys{set: writesThat(errLost, client.Error{Code: client.ErrorCodeTestFailed}), get: failingRead(2)}, modifyUnique, isOutcomeUnknown},
		{"no read of Persist", oddKeys{get: failingRead(1)}, persist, isNotSentError},
		{"no read of Persist after a loss", oddKeys{set: writesThat(errLost), get: failingRead(2)}, persist, isOutcomeUnknown},
		{"unauthorized Persist", oddKeys{set: writesThat(errUnauthorized)}, persist, isUnauthorized},
		{"unauthorized Persist after a loss", oddKeys{set: writesThat(errLost, errUnauthorized)}, persist, isOutcomeUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.keys.modelStore = newModelStore()
				tt.keys.put("/a", "x", time.Hour)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := tt.call(ctx, &tt.keys); !tt.want(err) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// A write that another cluster has carried out is told, and not taken as seen.
func TestMonotonicReadsAfterAWriteElsewhere(t *testing.T) {
	reply := func(index, cluster string) fakeAnswer {
		return fakeAnswer{header: "X-Etcd-Index: " + index + "\nX-Etcd-Cluster-Id: " + cluster, body: setReply}
	}
	f := script(t, reply("9", "one"), reply("99", "two"), reply("10", "one"), reply("100", "two"))
	kapi := client.MonotonicReads(client.NewKeysAPI(newClient(t, f)))
	for range 2 {
		if _, err := kapi.Set(t.Context(), "/a", "1", nil); err != nil {
			t.Fatal(err)
		}
	}
	if resp, err := kapi.Get(t.Context(), "/a", nil); err != nil || resp.Index != 10 {
		t.Errorf("got %+v, %v", resp, err)
	}
	if _, err := kapi.Get(t.Context(), "/a", nil); !errors.Is(err, client.ErrClusterIDChanged) {
		t.Errorf("got %v", err)
	}
}
