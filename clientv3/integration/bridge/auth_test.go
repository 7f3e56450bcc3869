package bridge

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// protect adds root and joe, who may read and write /own and what is below it, and
// switches authentication on.
func protect(ctx context.Context, t *testing.T, v3 *clientv3.Client) {
	t.Helper()
	for _, do := range []func() error{
		func() error { return errOf(v3.UserAdd(ctx, "root", "all")) },
		func() error { return errOf(v3.RoleAdd(ctx, "root")) },
		func() error { return errOf(v3.UserGrantRole(ctx, "root", "root")) },
		func() error { return errOf(v3.UserAdd(ctx, "joe", "secret")) },
		func() error { return errOf(v3.RoleAdd(ctx, "own")) },
		func() error {
			return errOf(v3.RoleGrantPermission(ctx, "own", "/own", "/own0", clientv3.PermReadWrite))
		},
		func() error { return errOf(v3.UserGrantRole(ctx, "joe", "own")) },
		func() error { return errOf(v3.AuthEnable(ctx)) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// A user may what the roles of v3 say, and is refused as by v2: with the code 110.
func TestUsersOfTheBridge(t *testing.T) {
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
			t.Cleanup(cancel)
			cluster := harness.Start(t, server, harness.Options{DisableV2: true})
			protect(ctx, t, newClient(t, cluster))
			open := func(user, password string) *keysapi.Cluster {
				opened, err := keysapi.Open(ctx, client.Config{Endpoints: cluster.Endpoints(), Username: user, Password: password})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := opened.Close(); err != nil {
						t.Error(err)
					}
				})
				return opened
			}
			joe := open("joe", "secret")
			for name, err := range callsOn(ctx, joe.Keys, "/own") {
				if err != nil {
					t.Errorf("%s of joe on his own: %v", name, err)
				}
			}
			for who, kapi := range map[string]client.KeysAPI{"joe": joe.Keys, "joe by a wrong password": open("joe", "wrong").Keys, "nobody": open("", "").Keys} {
				for name, err := range callsOn(ctx, kapi, "/other") {
					wantUnauthorized(t, who+": "+name, err)
				}
			}
			_, err := joe.Members.Add(ctx, "http://127.0.0.1:1")
			wantUnauthorized(t, "joe: add a member", err)
		})
	}
}

// callsOn makes one call of each kind, one after the other, and a watch that is told of one of them.
func callsOn(ctx context.Context, kapi client.KeysAPI, key string) map[string]error {
	errs := map[string]error{
		"create":          errOf(kapi.Create(ctx, key+"/a", "v")),
		"set":             errOf(kapi.Set(ctx, key+"/a", "v", &client.SetOptions{TTL: time.Hour})),
		"refresh":         errOf(kapi.Set(ctx, key+"/a", "", &client.SetOptions{TTL: time.Hour, Refresh: true})),
		"update":          errOf(kapi.Update(ctx, key+"/a", "w")),
		"compare":         errOf(kapi.Set(ctx, key+"/a", "v", &client.SetOptions{PrevValue: "w"})),
		"get":             errOf(kapi.Get(ctx, key, &client.GetOptions{Recursive: true})),
		"create in order": errOf(kapi.CreateInOrder(ctx, key+"/q", "v", nil)),
		"delete":          errOf(kapi.Delete(ctx, key+"/a", nil)),
		"delete all":      errOf(kapi.Delete(ctx, key+"/q", &client.DeleteOptions{Recursive: true})),
	}
	errs["watch"] = errOf(kapi.Watcher(key, &client.WatcherOptions{AfterIndex: 1, Recursive: true}).Next(ctx))
	return errs
}

func wantUnauthorized(t *testing.T, what string, err error) {
	t.Helper()
	var refused client.Error
	if !errors.As(err, &refused) || refused.Code != client.ErrorCodeUnauthorized || !client.IsUnauthorized(err) {
		t.Errorf("%s: got %v, want code %d", what, err, client.ErrorCodeUnauthorized)
	}
}
