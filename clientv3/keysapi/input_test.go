package keysapi_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// The client has no connection, and panics when something is sent.
func TestBadInputIsRefusedBeforeAnythingIsSent(t *testing.T) {
	kapi := keysapi.New(clientv3.NewCtxClient(t.Context()))
	set := func(key, value string, o client.SetOptions) error {
		_, err := kapi.Set(t.Context(), key, value, &o)
		return err
	}
	get := func(ctx context.Context, key string) error {
		_, err := kapi.Get(ctx, key, nil)
		return err
	}
	remove := func(o client.DeleteOptions) error {
		_, err := kapi.Delete(t.Context(), "/k", &o)
		return err
	}
	next := func(key string) error {
		_, err := kapi.Watcher(key, nil).Next(t.Context())
		return err
	}
	inOrder := func(value string) error {
		_, err := kapi.CreateInOrder(t.Context(), "/k", value, nil)
		return err
	}
	for name, tt := range map[string]struct {
		err   error
		field string
	}{
		"dots":                     {get(t.Context(), "/a/../b"), "key"},
		"a dot":                    {set("./b", "v", client.SetOptions{}), "key"},
		"NUL":                      {get(t.Context(), "/a\x00"), "key"},
		"no UTF-8 in a key":        {next("/\xff"), "key"},
		"no UTF-8 in a value":      {set("/k", "\xff", client.SetOptions{}), "value"},
		"no UTF-8 in order":        {inOrder("\xff"), "value"},
		"no UTF-8 to compare":      {set("/k", "v", client.SetOptions{PrevValue: "\xff"}), "PrevValue"},
		"no UTF-8 to delete":       {remove(client.DeleteOptions{PrevValue: "\xff"}), "PrevValue"},
		"an unknown condition":     {set("/k", "v", client.SetOptions{PrevExist: "maybe"}), "PrevExist"},
		"a directory with a value": {set("/k", "v", client.SetOptions{Dir: true}), "value"},
		"no context":               {get(nil, "/k"), "context"},
		"a member that is none":    {keysapi.NewMembersAPI(clientv3.NewCtxClient(t.Context())).Remove(t.Context(), "xyz"), "member ID"},
	} {
		var refused *client.InvalidInputError
		if !errors.As(tt.err, &refused) || refused.Field != tt.field {
			t.Errorf("%s: got %v, want an InvalidInputError of %q", name, tt.err, tt.field)
		}
	}
}

func TestRefreshNeedsATTLAndNoValue(t *testing.T) {
	kapi := keysapi.New(clientv3.NewCtxClient(t.Context()))
	for _, tt := range []struct {
		value string
		ttl   time.Duration
		code  int
	}{
		{"v", time.Second, client.ErrorCodeRefreshValue},
		{"", 0, client.ErrorCodeRefreshTTLRequired},
	} {
		_, err := kapi.Set(t.Context(), "/k", tt.value, &client.SetOptions{Refresh: true, TTL: tt.ttl})
		if !errors.Is(err, client.Error{Code: tt.code}) {
			t.Errorf("value %q, TTL %v: got %v, want code %d", tt.value, tt.ttl, err, tt.code)
		}
	}
}
