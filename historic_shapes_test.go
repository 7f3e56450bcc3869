package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// Fakes as programs have them, each method written out: one method more in the
// interface and this file does not compile.
type (
	historicKeys    struct{}
	historicMembers struct{}
	historicWatcher struct{}
	historicAuth    struct{}
	historicUsers   struct{}
	historicRoles   struct{}
)

var (
	_ client.KeysAPI             = historicKeys{}
	_ client.MembersAPI          = historicMembers{}
	_ client.Watcher             = historicWatcher{}
	_ client.AuthAPI             = historicAuth{}
	_ client.AuthUserAPI         = historicUsers{}
	_ client.AuthRoleAPI         = historicRoles{}
	_ client.CancelableTransport = &http.Transport{}
)

func (historicKeys) Get(context.Context, string, *client.GetOptions) (*client.Response, error) {
	return &client.Response{Action: "get", Node: &client.Node{Key: "/foo", Value: "bar"}}, nil
}

func (historicKeys) Set(context.Context, string, string, *client.SetOptions) (*client.Response, error) {
	return nil, client.Error{Code: client.ErrorCodeTestFailed}
}

func (historicKeys) Delete(context.Context, string, *client.DeleteOptions) (*client.Response, error) {
	return nil, &client.ClusterError{Errors: []error{context.DeadlineExceeded}}
}

func (historicKeys) CreateInOrder(context.Context, string, string, *client.CreateInOrderOptions) (*client.Response, error) {
	return nil, client.ErrNoEndpoints
}

func (historicKeys) Create(_ context.Context, _, _ string) (*client.Response, error) { return nil, nil }

func (historicKeys) Update(_ context.Context, _, _ string) (*client.Response, error) { return nil, nil }

func (historicKeys) Watcher(string, *client.WatcherOptions) client.Watcher {
	return historicWatcher{}
}

func (historicWatcher) Next(context.Context) (*client.Response, error)      { return nil, context.Canceled }
func (historicMembers) List(context.Context) ([]client.Member, error)       { return nil, nil }
func (historicMembers) Add(context.Context, string) (*client.Member, error) { return nil, nil }
func (historicMembers) Remove(context.Context, string) error                { return nil }
func (historicMembers) Update(context.Context, string, []string) error      { return nil }
func (historicMembers) Leader(context.Context) (*client.Member, error)      { return nil, nil }
func (historicAuth) Enable(context.Context) error                           { return nil }
func (historicAuth) Disable(context.Context) error                          { return nil }
func (historicUsers) AddUser(_ context.Context, _, _ string) error          { return nil }
func (historicUsers) RemoveUser(context.Context, string) error              { return nil }
func (historicUsers) GetUser(context.Context, string) (*client.User, error) { return nil, nil }
func (historicUsers) ListUsers(context.Context) ([]string, error)           { return nil, nil }
func (historicRoles) AddRole(context.Context, string) error                 { return nil }
func (historicRoles) RemoveRole(context.Context, string) error              { return nil }
func (historicRoles) GetRole(context.Context, string) (*client.Role, error) { return nil, nil }
func (historicRoles) ListRoles(context.Context) ([]string, error)           { return nil, nil }
func (historicUsers) GrantUser(context.Context, string, []string) (*client.User, error) {
	return nil, nil
}

func (historicUsers) RevokeUser(context.Context, string, []string) (*client.User, error) {
	return nil, nil
}

func (historicUsers) ChangePassword(_ context.Context, _, _ string) (*client.User, error) {
	return nil, nil
}

func (historicRoles) GrantRoleKV(context.Context, string, []string, client.PermissionType) (*client.Role, error) {
	return nil, nil
}

func (historicRoles) RevokeRoleKV(context.Context, string, []string, client.PermissionType) (*client.Role, error) {
	return nil, nil
}

// TestHistoricShapes uses the API in the ways that programs of its time do. Most
// of what it shows is that it compiles.
func TestHistoricShapes(t *testing.T) {
	cfg := client.Config{
		Endpoints:               []string{"http://127.0.0.1:2379"},
		Transport:               &http.Transport{TLSHandshakeTimeout: 10 * time.Second},
		CheckRedirect:           client.DefaultCheckRedirect,
		Username:                "root",
		Password:                "secret",
		HeaderTimeoutPerRequest: client.DefaultRequestTimeout,
		SelectionMode:           client.EndpointSelectionPrioritizeLeader,
	}
	if _, err := client.New(cfg); err != nil {
		t.Error(err)
	}
	if _, err := client.New(client.Config{}); err != client.ErrNoEndpoints { //nolint:errorlint // programs compare
		t.Errorf("New without endpoints: %v", err)
	}
	_ = client.SetOptions{PrevExist: client.PrevNoExist, TTL: time.Minute, Dir: true}
	_ = client.GetOptions{true, true, true} // unkeyed: a field more would break it
	_ = client.WatcherOptions{AfterIndex: 7, Recursive: true}
	_ = client.DeleteOptions{PrevValue: "a", PrevIndex: 1, Recursive: true, Dir: true}
	_ = client.CreateInOrderOptions{TTL: time.Second}
	_ = client.Response{Action: "set", Node: &client.Node{Key: "/a", Nodes: client.Nodes{{Key: "/a/b"}}}, Index: 3}
	_ = client.Member{ID: "1", Name: "m0", PeerURLs: []string{"http://p"}, ClientURLs: []string{"http://c"}}
	_ = client.Role{Role: "r", Permissions: client.Permissions{KV: client.RWPermission{Read: []string{"/*"}}}}
	_ = client.User{User: "u", Roles: []string{"r"}}
	_ = client.ClusterError{Errors: []error{context.Canceled}}
}

func TestHistoricErrorIsAsserted(t *testing.T) {
	refused := fakeAnswer{status: http.StatusNotFound, body: `{"errorCode":100,"message":"Key not found","cause":"/foo","index":5}`}
	kapi := client.NewKeysAPI(newClient(t, script(t, refused)))
	_, err := kapi.Get(t.Context(), "/foo", nil)
	etcdErr, ok := err.(client.Error) //nolint:errorlint // as programs do
	if !ok || etcdErr.Code != client.ErrorCodeKeyNotFound || !client.IsKeyNotFound(err) {
		t.Errorf("a refusal is %T: %v", err, err)
	}
}

func TestHistoricClusterErrorIsAsserted(t *testing.T) {
	kapi := client.NewKeysAPI(newClient(t, script(t, fakeAnswer{notSent: true})))
	_, err := kapi.Get(t.Context(), "/foo", nil)
	clusterErr, ok := err.(*client.ClusterError) //nolint:errorlint // as programs do
	if !ok || len(clusterErr.Errors) != 1 || clusterErr.Detail() == "" {
		t.Errorf("a failure is %T: %v", err, err)
	}
}

func TestHistoricContextErrorsAreCompared(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancelLate()
	kapi := client.NewKeysAPI(newClient(t, script(t)))
	if _, err := kapi.Get(canceled, "/foo", nil); err != context.Canceled { //nolint:errorlint // as programs do
		t.Errorf("canceled: %T: %v", err, err)
	}
	if _, err := kapi.Get(late, "/foo", nil); err != context.DeadlineExceeded { //nolint:errorlint // as programs do
		t.Errorf("late: %T: %v", err, err)
	}
}

// TestDiscoverTakesOneOrTwoArguments calls it as programs of 3.3 and of 3.4 do,
// with a domain that is refused before anything is looked up.
func TestDiscoverTakesOneOrTwoArguments(t *testing.T) {
	discoverer := client.NewSRVDiscover()
	_, oneErr := discoverer.Discover("")
	_, twoErr := discoverer.Discover("", "service")
	for _, err := range []error{oneErr, twoErr} {
		var invalid *client.InvalidInputError
		if !errors.As(err, &invalid) {
			t.Errorf("empty domain: %T: %v", err, err)
		}
	}
}
