package client_test

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// callClass is what may be done with a call whose outcome is not known: see
// docs/failures.md.
type callClass string

const (
	reads      callClass = "read"
	idempotent callClass = "idempotent write"
	once       callClass = "write once"
)

// contractMethod is one way to send a request. Adding a row to contractMethods
// is all that a new method needs.
type contractMethod struct {
	name  string // Interface.Method, and a variant after a space
	class callClass
	call  func(context.Context, client.Client) (any, error)
	good  fakeAnswer // how a server answers that all is well

	harmless []string // faults that are none for this method
	longPoll bool     // the header of the reply may take for ever
	keysAPI  bool     // its errors are those of the keys API
}

// isHarmless reports whether the fault is none for this method.
func (m *contractMethod) isHarmless(fault string) bool { return slices.Contains(m.harmless, fault) }

var (
	// oddBodies are the faults that lie in the content of a success. They are
	// none for calls that take the status for their answer.
	oddBodies = []string{
		"empty 200", "200 {}", "200 null", "200 []", "200 node null", "200 get of node null", "200 child null",
		"truncated JSON", "garbage behind the JSON",
	}
	// anyAnswer are the faults that the caller of Do looks for himself.
	anyAnswer = append([]string{"401", "404 text", "413 HTML", "3xx without Location"}, oddBodies...)
)

const (
	contractOne = "https://one/base"
	contractTwo = "https://two/base"

	goodMember = `{"id":"m1","name":"n1","peerURLs":["http://p:2380"],"clientURLs":["https://one","https://two"]}`
	goodUser   = `{"user":"joe","roles":["rr"]}`
	goodRole   = `{"role":"rr","permissions":{"kv":{"read":["/q*"],"write":null}}}`
)

var contractMethods = slices.Concat(
	[]contractMethod{
		keysRow("KeysAPI.Get", reads, func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
			return k.Get(ctx, "/a", &client.GetOptions{Quorum: true})
		}),
		keysRow("KeysAPI.Set", idempotent, setWith("1", nil)),
		keysRow("KeysAPI.Set TTL", idempotent, setWith("1", &client.SetOptions{TTL: time.Minute})),
		keysRow("KeysAPI.Set Dir", idempotent, setWith("", &client.SetOptions{Dir: true})),
		keysRow("KeysAPI.Set PrevExist", idempotent, setWith("1", &client.SetOptions{PrevExist: client.PrevExist})),
		keysRow("KeysAPI.Set Refresh", idempotent, setWith("", &client.SetOptions{
			PrevExist: client.PrevExist, Refresh: true, TTL: time.Minute,
		})),
		keysRow("KeysAPI.Set PrevValue", once, setWith("1", &client.SetOptions{PrevValue: "0"})),
		keysRow("KeysAPI.Set PrevIndex", once, setWith("1", &client.SetOptions{PrevIndex: 7})),
		keysRow("KeysAPI.Set PrevNoExist", once, setWith("1", &client.SetOptions{PrevExist: client.PrevNoExist})),
		keysRow("KeysAPI.Create", once, func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
			return k.Create(ctx, "/a", "1")
		}),
		keysRow("KeysAPI.Update", idempotent, func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
			return k.Update(ctx, "/a", "1")
		}),
		keysRow("KeysAPI.Delete", once, func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
			return k.Delete(ctx, "/a", &client.DeleteOptions{Recursive: true})
		}),
		keysRow("KeysAPI.CreateInOrder", once, func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
			return k.CreateInOrder(ctx, "/a", "1", nil)
		}),
		watchRow("Watcher.Next", nil),
		watchRow("Watcher.Next AfterIndex", &client.WatcherOptions{AfterIndex: 6, Recursive: true}),
	},
	[]contractMethod{
		row("MembersAPI.List", reads, `{"members":[`+goodMember+`]}`, func(ctx context.Context, c client.Client) ([]client.Member, error) {
			return client.NewMembersAPI(c).List(ctx)
		}),
		row("MembersAPI.Leader", reads, goodMember, func(ctx context.Context, c client.Client) (*client.Member, error) {
			return client.NewMembersAPI(c).Leader(ctx)
		}),
		row("MembersAPI.Add", once, goodMember, func(ctx context.Context, c client.Client) (*client.Member, error) {
			return client.NewMembersAPI(c).Add(ctx, "http://p:2380")
		}),
		silentRow("MembersAPI.Update", idempotent, func(ctx context.Context, c client.Client) error {
			return client.NewMembersAPI(c).Update(ctx, "m1", []string{"http://p:2380"})
		}),
		silentRow("MembersAPI.Remove", idempotent, func(ctx context.Context, c client.Client) error {
			return client.NewMembersAPI(c).Remove(ctx, "m1")
		}),
	},
	[]contractMethod{
		silentRow("AuthAPI.Enable", once, func(ctx context.Context, c client.Client) error { return client.NewAuthAPI(c).Enable(ctx) }),
		silentRow("AuthAPI.Disable", idempotent, func(ctx context.Context, c client.Client) error { return client.NewAuthAPI(c).Disable(ctx) }),
	},
	[]contractMethod{
		row("AuthUserAPI.AddUser", once, goodUser, func(ctx context.Context, c client.Client) (any, error) {
			return onlyError(client.NewAuthUserAPI(c).AddUser(ctx, "joe", "pw"))
		}),
		silentRow("AuthUserAPI.RemoveUser", once, func(ctx context.Context, c client.Client) error {
			return client.NewAuthUserAPI(c).RemoveUser(ctx, "joe")
		}),
		row("AuthUserAPI.GetUser", reads, goodUser, func(ctx context.Context, c client.Client) (*client.User, error) {
			return client.NewAuthUserAPI(c).GetUser(ctx, "joe")
		}),
		row("AuthUserAPI.GrantUser", once, goodUser, func(ctx context.Context, c client.Client) (*client.User, error) {
			return client.NewAuthUserAPI(c).GrantUser(ctx, "joe", []string{"rr"})
		}),
		row("AuthUserAPI.RevokeUser", once, goodUser, func(ctx context.Context, c client.Client) (*client.User, error) {
			return client.NewAuthUserAPI(c).RevokeUser(ctx, "joe", []string{"rr"})
		}),
		row("AuthUserAPI.ChangePassword", once, goodUser, func(ctx context.Context, c client.Client) (*client.User, error) {
			return client.NewAuthUserAPI(c).ChangePassword(ctx, "joe", "pw")
		}),
		row("AuthUserAPI.ListUsers", reads, `{"users":[`+goodUser+`]}`, func(ctx context.Context, c client.Client) ([]string, error) {
			return client.NewAuthUserAPI(c).ListUsers(ctx)
		}),
	},
	[]contractMethod{
		row("AuthRoleAPI.AddRole", once, goodRole, func(ctx context.Context, c client.Client) (any, error) {
			return onlyError(client.NewAuthRoleAPI(c).AddRole(ctx, "rr"))
		}),
		silentRow("AuthRoleAPI.RemoveRole", once, func(ctx context.Context, c client.Client) error {
			return client.NewAuthRoleAPI(c).RemoveRole(ctx, "rr")
		}),
		row("AuthRoleAPI.GetRole", reads, goodRole, func(ctx context.Context, c client.Client) (*client.Role, error) {
			return client.NewAuthRoleAPI(c).GetRole(ctx, "rr")
		}),
		row("AuthRoleAPI.GrantRoleKV", once, goodRole, func(ctx context.Context, c client.Client) (*client.Role, error) {
			return client.NewAuthRoleAPI(c).GrantRoleKV(ctx, "rr", []string{"/q*"}, client.ReadPermission)
		}),
		row("AuthRoleAPI.RevokeRoleKV", once, goodRole, func(ctx context.Context, c client.Client) (*client.Role, error) {
			return client.NewAuthRoleAPI(c).RevokeRoleKV(ctx, "rr", []string{"/q*"}, client.ReadPermission)
		}),
		row("AuthRoleAPI.ListRoles", reads, `{"roles":[`+goodRole+`]}`, func(ctx context.Context, c client.Client) ([]string, error) {
			return client.NewAuthRoleAPI(c).ListRoles(ctx)
		}),
	},
	[]contractMethod{
		row("Client.Sync", reads, `{"members":[`+goodMember+`]}`, func(ctx context.Context, c client.Client) (any, error) {
			return onlyError(c.Sync(ctx))
		}),
		row("Client.GetVersion", reads, `{"etcdserver":"3.5.35","etcdcluster":"3.5.0"}`, func(ctx context.Context, c client.Client) (*client.Versions, error) {
			return c.GetVersion(ctx)
		}),
		doRow("Client.Do GET", reads, http.MethodGet),
		doRow("Client.Do POST", once, http.MethodPost),
	},
)

// sendNothing are the methods without a row, and why they need none.
var sendNothing = map[string]string{
	"KeysAPI.Watcher":     "it prepares",
	"Client.Endpoints":    "it tells what is known",
	"Client.SetEndpoints": "it checks and stores",
	"Client.AutoSync":     "it sends by Sync and returns no failure of it",
}

// row is a method whose reply has a document.
func row[T any](name string, class callClass, good string, call func(context.Context, client.Client) (T, error)) contractMethod {
	return contractMethod{
		name: name, class: class, good: fakeAnswer{body: good, header: "Content-Type: application/json"},
		call: func(ctx context.Context, c client.Client) (any, error) { return call(ctx, c) },
	}
}

// silentRow is a write whose success has no content.
func silentRow(name string, class callClass, call func(context.Context, client.Client) error) contractMethod {
	m := row(name, class, "", func(ctx context.Context, c client.Client) (any, error) { return onlyError(call(ctx, c)) })
	m.good.status, m.harmless = http.StatusNoContent, oddBodies
	return m
}

func keysRow(name string, class callClass, call func(context.Context, client.KeysAPI) (*client.Response, error)) contractMethod {
	good := `{"action":"set","node":{"key":"/a","value":"1","modifiedIndex":7,"createdIndex":7}}`
	m := row(name, class, good, func(ctx context.Context, c client.Client) (*client.Response, error) {
		return call(ctx, client.NewKeysAPI(c))
	})
	m.good.header += "\nX-Etcd-Index: 7\nX-Etcd-Cluster-Id: c1"
	m.keysAPI = true
	return m
}

func setWith(value string, opts *client.SetOptions) func(context.Context, client.KeysAPI) (*client.Response, error) {
	return func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
		return k.Set(ctx, "/a", value, opts)
	}
}

func watchRow(name string, opts *client.WatcherOptions) contractMethod {
	m := keysRow(name, reads, func(ctx context.Context, k client.KeysAPI) (*client.Response, error) {
		return k.Watcher("/a", opts).Next(ctx)
	})
	m.longPoll = true
	// What happens after the server has taken the watch, at 7.
	m.good.body = strings.Replace(m.good.body, `"modifiedIndex":7`, `"modifiedIndex":8`, 1)
	return m
}

// rawAction is an action of a program's own.
type rawAction struct{ method string }

// HTTPRequest implements client.HTTPAction.
func (a rawAction) HTTPRequest(ep url.URL) *http.Request {
	u := ep.JoinPath("own")
	req, err := http.NewRequestWithContext(context.Background(), a.method, u.String(), http.NoBody)
	if err != nil {
		return nil
	}
	return req
}

// rawReply is what Do returns, as far as it is of interest.
type rawReply struct {
	Status int
	Body   string
}

func doRow(name string, class callClass, method string) contractMethod {
	m := row(name, class, "whatever", func(ctx context.Context, c client.Client) (*rawReply, error) {
		resp, body, err := c.Do(ctx, rawAction{method})
		if err != nil {
			return nil, err
		}
		return &rawReply{resp.StatusCode, string(body)}, nil
	})
	m.harmless = anyAnswer
	return m
}

// TestContractIsComplete fails when a method of the API has no row, or a row
// names none.
func TestContractIsComplete(t *testing.T) {
	rows := map[string]bool{}
	for _, m := range contractMethods {
		method, _, _ := strings.Cut(m.name, " ")
		rows[method] = true
	}
	for _, api := range []reflect.Type{
		reflect.TypeFor[client.KeysAPI](), reflect.TypeFor[client.Watcher](), reflect.TypeFor[client.MembersAPI](),
		reflect.TypeFor[client.AuthAPI](), reflect.TypeFor[client.AuthUserAPI](), reflect.TypeFor[client.AuthRoleAPI](),
		reflect.TypeFor[client.Client](),
	} {
		for i := range api.NumMethod() {
			name := api.Name() + "." + api.Method(i).Name
			if rows[name] == (sendNothing[name] != "") {
				t.Errorf("%s: has a row: %v, sends nothing: %q", name, rows[name], sendNothing[name])
			}
			delete(rows, name)
		}
	}
	for name := range rows {
		t.Errorf("%s has a row and is no method", name)
	}
}
