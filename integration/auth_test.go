package integration

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

const (
	rootPassword = "secret-of-root"
	joePassword  = "secret-of-joe"
	newPassword  = "other-secret-of-joe"
)

// as returns a client of the cluster with a user's credentials.
func as(t *testing.T, c *harness.Cluster, user, password string) client.Client {
	t.Helper()
	cl, _ := newClient(t, client.Config{Endpoints: c.Endpoints(), Username: user, Password: password})
	return cl
}

// check fails the test for an error, and returns nothing.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantNoSecret checks that an error does not print a password.
func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	text := err.Error()
	var ce *client.ClusterError
	if errors.As(err, &ce) {
		text += ce.Detail()
	}
	for _, secret := range []string{rootPassword, joePassword, newPassword, "wrong-password"} {
		if strings.Contains(text, secret) {
			t.Errorf("the password is in the error %q", text)
		}
	}
}

// enableAuth makes root, joe with read and write below /joe only, and removes
// the rights of everybody else.
func enableAuth(ctx context.Context, t *testing.T, c *harness.Cluster) {
	t.Helper()
	anybody, _ := newClient(t, client.Config{Endpoints: c.Endpoints()})
	users, roles := client.NewAuthUserAPI(anybody), client.NewAuthRoleAPI(anybody)
	check(t, users.AddUser(ctx, "root", rootPassword))
	check(t, users.AddUser(ctx, "joe", joePassword))
	check(t, roles.AddRole(ctx, "joes"))
	role := must[*client.Role](t)(roles.GrantRoleKV(ctx, "joes", []string{"/joe", "/joe/*"}, client.ReadWritePermission))
	wantRole(t, role, "joes", []string{"/joe", "/joe/*"}, []string{"/joe", "/joe/*"})
	user := must[*client.User](t)(users.GrantUser(ctx, "joe", []string{"joes"}))
	wantUser(t, user, "joe", "joes")
	check(t, client.NewAuthAPI(anybody).Enable(ctx))
	check(t, client.NewAuthRoleAPI(as(t, c, "root", rootPassword)).RemoveRole(ctx, "guest"))
}

func wantRole(t *testing.T, got *client.Role, name string, read, write []string) {
	t.Helper()
	want := &client.Role{Role: name}
	want.Permissions.KV.Read, want.Permissions.KV.Write = read, write
	inOrder := cmpopts.SortSlices(strings.Compare)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), inOrder); diff != "" {
		t.Errorf("role (-want +got):\n%s", diff)
	}
}

func wantUser(t *testing.T, got *client.User, name string, roles ...string) {
	t.Helper()
	if diff := cmp.Diff(&client.User{User: name, Roles: roles}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
}

// wantUnauthorized checks that the keys API refused a call.
func wantUnauthorized(t *testing.T, c *harness.Cluster, err error) {
	t.Helper()
	wantKeysError(t, c, err, client.ErrorCodeUnauthorized, http.StatusUnauthorized, "Insufficient credentials")
	if !client.IsUnauthorized(err) {
		t.Errorf("IsUnauthorized(%v) is false", err)
	}
	wantNoSecret(t, err)
}

func TestAuthGuardsKeys(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			_, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
			enableAuth(ctx, t, c)
			joe := client.NewKeysAPI(as(t, c, "joe", joePassword))

			resp, err := joe.Set(ctx, "/joe/k", "his", nil)
			mustResponse(t, resp, err)
			resp, err = joe.Get(ctx, "/joe/k", nil)
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "get", Node: &client.Node{Key: "/joe/k", Value: "his"}})

			_, err = joe.Set(ctx, "/other", "not his", nil)
			wantUnauthorized(t, c, err)
			_, err = joe.Get(ctx, "/other", nil)
			wantUnauthorized(t, c, err)
			_, err = client.NewKeysAPI(as(t, c, "joe", "wrong-password")).Get(ctx, "/joe/k", nil)
			wantUnauthorized(t, c, err)
			_, err = client.NewKeysAPI(as(t, c, "", "")).Get(ctx, "/joe/k", nil)
			wantUnauthorized(t, c, err)
			_, err = client.NewKeysAPI(as(t, c, "", "")).Watcher("/joe/k", nil).Next(ctx)
			wantUnauthorized(t, c, err)

			resp, err = client.NewKeysAPI(as(t, c, "root", rootPassword)).Set(ctx, "/other", "root's", nil)
			mustResponse(t, resp, err)
		})
	}
}

func TestAuthUsersAndRoles(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			_, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
			enableAuth(ctx, t, c)
			root := as(t, c, "root", rootPassword)
			users, roles := client.NewAuthUserAPI(root), client.NewAuthRoleAPI(root)

			names := must[[]string](t)(users.ListUsers(ctx))
			if slices.Sort(names); !slices.Equal(names, []string{"joe", "root"}) {
				t.Errorf("users: %q", names)
			}
			names = must[[]string](t)(roles.ListRoles(ctx))
			if slices.Sort(names); !slices.Equal(names, []string{"joes", "root"}) {
				t.Errorf("roles: %q", names)
			}
			wantUser(t, must[*client.User](t)(users.GetUser(ctx, "joe")), "joe", "joes")

			wantRole(t, must[*client.Role](t)(roles.GrantRoleKV(ctx, "joes", []string{"/r/*"}, client.ReadPermission)),
				"joes", []string{"/joe", "/joe/*", "/r/*"}, []string{"/joe", "/joe/*"})
			wantRole(t, must[*client.Role](t)(roles.RevokeRoleKV(ctx, "joes", []string{"/joe"}, client.WritePermission)),
				"joes", []string{"/joe", "/joe/*", "/r/*"}, []string{"/joe/*"})
			wantRole(t, must[*client.Role](t)(roles.GetRole(ctx, "joes")),
				"joes", []string{"/joe", "/joe/*", "/r/*"}, []string{"/joe/*"})

			wantUser(t, must[*client.User](t)(users.ChangePassword(ctx, "joe", newPassword)), "joe", "joes")
			_, err := client.NewKeysAPI(as(t, c, "joe", joePassword)).Get(ctx, "/joe/k", nil)
			wantUnauthorized(t, c, err)
			if _, err = client.NewKeysAPI(as(t, c, "joe", newPassword)).Get(ctx, "/joe/k", nil); !client.IsKeyNotFound(err) {
				t.Errorf("with the new password: %v", err)
			}

			wantUser(t, must[*client.User](t)(users.RevokeUser(ctx, "joe", []string{"joes"})), "joe")
			check(t, users.RemoveUser(ctx, "joe"))
			check(t, roles.RemoveRole(ctx, "joes"))
			check(t, client.NewAuthAPI(root).Disable(ctx))
			resp, err := client.NewKeysAPI(as(t, c, "", "")).Set(ctx, "/k", "anybody's", nil)
			mustResponse(t, resp, err)
		})
	}
}

func TestAuthErrorsAreTyped(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			_, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
			enableAuth(ctx, t, c)
			root := as(t, c, "root", rootPassword)
			users, roles := client.NewAuthUserAPI(root), client.NewAuthRoleAPI(root)
			userErr := func(_ *client.User, err error) error { return err }
			roleErr := func(_ *client.Role, err error) error { return err }

			for name, err := range map[string]error{
				"GetUser":    userErr(users.GetUser(ctx, "nobody")),
				"GrantUser":  userErr(users.GrantUser(ctx, "nobody", []string{"joes"})),
				"RemoveUser": users.RemoveUser(ctx, "nobody"),
			} {
				if !client.IsUserNotFound(err) || client.IsRoleNotFound(err) {
					t.Errorf("%s of an unknown user: %v", name, err)
				}
				wantReplyError(t, c, err, http.StatusNotFound, "nobody")
				wantNoSecret(t, err)
			}
			for name, err := range map[string]error{
				"GetRole":    roleErr(roles.GetRole(ctx, "nothing")),
				"RemoveRole": roles.RemoveRole(ctx, "nothing"),
			} {
				if !client.IsRoleNotFound(err) || client.IsUserNotFound(err) {
					t.Errorf("%s of an unknown role: %v", name, err)
				}
				wantReplyError(t, c, err, http.StatusNotFound, "nothing")
			}

			wantReplyError(t, c, roles.AddRole(ctx, "joes"), http.StatusConflict, "already exists")
			err := client.NewAuthAPI(root).Enable(ctx)
			wantReplyError(t, c, err, http.StatusConflict, "already enabled")

			_, err = client.NewAuthUserAPI(as(t, c, "root", "wrong-password")).ListUsers(ctx)
			wantReplyError(t, c, err, http.StatusUnauthorized, "Insufficient credentials")
			wantNoSecret(t, err)
			err = client.NewAuthUserAPI(as(t, c, "", "")).AddUser(ctx, "eve", newPassword)
			wantReplyError(t, c, err, http.StatusUnauthorized, "Insufficient credentials")
			if !client.IsUnauthorized(err) {
				t.Errorf("IsUnauthorized(%v) is false", err)
			}
			wantNoSecret(t, err)
		})
	}
}
