package client_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/etcd/client"
)

// wireCall says which call of the API makes the request of a recorded exchange,
// and what is to be seen of it beyond what the recorded reply says.
type wireCall struct {
	call wireDo

	is      string // the predicate that holds for the error; none where it is empty
	refused string // why the client sends nothing and gives the recorded code itself
	notMade string // why no call makes this request; its reply is replayed all the same where there is a call
}

type wireDo func(context.Context, client.Client, wireExchange) (any, error)

// wireNothing is what calls return that return no value.
type wireNothing struct{}

func onlyError(err error) (any, error) { return wireNothing{}, err }

func wireGet(key string, opts *client.GetOptions) wireDo {
	return func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return client.NewKeysAPI(c).Get(ctx, key, opts)
	}
}

func wireSet(key, value string, opts *client.SetOptions) wireDo {
	return func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return client.NewKeysAPI(c).Set(ctx, key, value, opts)
	}
}

func wireCreate(key, value string) wireDo {
	return func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return client.NewKeysAPI(c).Create(ctx, key, value)
	}
}

func wireUpdate(key, value string) wireDo {
	return func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return client.NewKeysAPI(c).Update(ctx, key, value)
	}
}

func wireInOrder(dir, value string, opts *client.CreateInOrderOptions) wireDo {
	return func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return client.NewKeysAPI(c).CreateInOrder(ctx, dir, value, opts)
	}
}

func wireDelete(key string, opts *client.DeleteOptions) wireDo {
	return func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return client.NewKeysAPI(c).Delete(ctx, key, opts)
	}
}

// wireWatch takes the index from the recorded path: it differs from run to run.
func wireWatch(key string) wireDo {
	return func(ctx context.Context, c client.Client, x wireExchange) (any, error) {
		opts := &client.WatcherOptions{}
		if _, text, ok := strings.Cut(x.Path, "waitIndex="); ok {
			index, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				return nil, err
			}
			opts.AfterIndex = index - 1
		}
		return client.NewKeysAPI(c).Watcher(key, opts).Next(ctx)
	}
}

// wireMembers returns a call the member ID and the peer URLs of the recorded
// request: they differ from run to run.
func wireMembers(do func(context.Context, client.MembersAPI, string, []string) (any, error)) wireDo {
	return func(ctx context.Context, c client.Client, x wireExchange) (any, error) {
		var document struct {
			PeerURLs []string `json:"peerURLs"`
		}
		if strings.HasPrefix(x.RequestBody, "{") {
			if err := json.Unmarshal([]byte(x.RequestBody), &document); err != nil {
				return nil, err
			}
		}
		id, err := url.PathUnescape(x.Path[strings.LastIndexByte(x.Path, '/')+1:])
		if err != nil {
			return nil, err
		}
		return do(ctx, client.NewMembersAPI(c), id, document.PeerURLs)
	}
}

func wireUsers(do func(context.Context, client.AuthUserAPI) (any, error)) wireDo {
	return func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return do(ctx, client.NewAuthUserAPI(c))
	}
}

func wireRoles(do func(context.Context, client.AuthRoleAPI) (any, error)) wireDo {
	return func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return do(ctx, client.NewAuthRoleAPI(c))
	}
}

var (
	wireVersion wireDo = func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return c.GetVersion(ctx)
	}
	wireList = wireMembers(func(ctx context.Context, m client.MembersAPI, _ string, _ []string) (any, error) {
		return m.List(ctx)
	})
	wireLeader = wireMembers(func(ctx context.Context, m client.MembersAPI, _ string, _ []string) (any, error) {
		return m.Leader(ctx)
	})
	wireAddMember = wireMembers(func(ctx context.Context, m client.MembersAPI, _ string, urls []string) (any, error) {
		return m.Add(ctx, urls[0])
	})
	wireUpdateMember = wireMembers(func(ctx context.Context, m client.MembersAPI, id string, urls []string) (any, error) {
		return onlyError(m.Update(ctx, id, urls))
	})
	wireRemoveMember = wireMembers(func(ctx context.Context, m client.MembersAPI, id string, _ []string) (any, error) {
		return onlyError(m.Remove(ctx, id))
	})
	wireEnable wireDo = func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return onlyError(client.NewAuthAPI(c).Enable(ctx))
	}
	wireDisable wireDo = func(ctx context.Context, c client.Client, _ wireExchange) (any, error) {
		return onlyError(client.NewAuthAPI(c).Disable(ctx))
	}
	wireListUsers = wireUsers(func(ctx context.Context, u client.AuthUserAPI) (any, error) { return u.ListUsers(ctx) })
	wireListRoles = wireRoles(func(ctx context.Context, r client.AuthRoleAPI) (any, error) { return r.ListRoles(ctx) })
)

func wireAddUser(name, password string) wireDo {
	return wireUsers(func(ctx context.Context, u client.AuthUserAPI) (any, error) {
		return onlyError(u.AddUser(ctx, name, password))
	})
}

func wireGetUser(name string) wireDo {
	return wireUsers(func(ctx context.Context, u client.AuthUserAPI) (any, error) { return u.GetUser(ctx, name) })
}

func wireRemoveUser(name string) wireDo {
	return wireUsers(func(ctx context.Context, u client.AuthUserAPI) (any, error) {
		return onlyError(u.RemoveUser(ctx, name))
	})
}

func wireGrantUser(name string, roles ...string) wireDo {
	return wireUsers(func(ctx context.Context, u client.AuthUserAPI) (any, error) {
		return u.GrantUser(ctx, name, roles)
	})
}

func wireAddRole(name string) wireDo {
	return wireRoles(func(ctx context.Context, r client.AuthRoleAPI) (any, error) {
		return onlyError(r.AddRole(ctx, name))
	})
}

func wireGetRole(name string) wireDo {
	return wireRoles(func(ctx context.Context, r client.AuthRoleAPI) (any, error) { return r.GetRole(ctx, name) })
}

func wireRemoveRole(name string) wireDo {
	return wireRoles(func(ctx context.Context, r client.AuthRoleAPI) (any, error) {
		return onlyError(r.RemoveRole(ctx, name))
	})
}

func wireGrantRole(name string, kind client.PermissionType, prefixes ...string) wireDo {
	return wireRoles(func(ctx context.Context, r client.AuthRoleAPI) (any, error) {
		return r.GrantRoleKV(ctx, name, prefixes, kind)
	})
}

const (
	wireTTL100 = 100 * time.Second
	noRoleBody = "AddRole makes a role without permissions and names it as the path does"
)

// wireCalls has one entry for each exchange of the recordings, by its name.
var wireCalls = map[string]wireCall{
	"version": {call: wireVersion},
	"health":  {notMade: "no call asks for /health"},

	"get root of an empty store":             {call: wireGet("/", nil)},
	"set new key":                            {call: wireSet("/a", "1", nil)},
	"set existing key":                       {call: wireSet("a", "2", nil)},
	"get":                                    {call: wireGet("/a", nil)},
	"get quorum":                             {call: wireGet("/a", &client.GetOptions{Quorum: true})},
	"get missing":                            {call: wireGet("/nope", nil), is: "IsKeyNotFound"},
	"head":                                   {notMade: "no call makes a HEAD request"},
	"empty value":                            {call: wireSet("/empty", "", nil)},
	"unicode and escapes in a value":         {call: wireSet("/esc", "\"q\" \\ ü 日本 <&> \n\t\x01", nil)},
	"odd characters in a key":                {call: wireSet("/a b%c?d#eü", "x", nil)},
	"compare value ok":                       {call: wireSet("/a", "3", &client.SetOptions{PrevValue: "2"})},
	"compare value fails":                    {call: wireSet("/a", "4", &client.SetOptions{PrevValue: "zzz"}), is: "IsTestFailed"},
	"compare index fails":                    {call: wireSet("/a", "4", &client.SetOptions{PrevIndex: 1}), is: "IsTestFailed"},
	"compare empty value":                    {call: wireSet("/a", "4", nil), notMade: "an empty PrevValue means no condition"},
	"create existing":                        {call: wireCreate("/a", "4"), is: "IsNodeExist"},
	"create new":                             {call: wireSet("/created", "4", &client.SetOptions{PrevExist: client.PrevNoExist})},
	"update missing":                         {call: wireUpdate("/gone", "4"), is: "IsKeyNotFound"},
	"update existing":                        {call: wireSet("/a", "5", &client.SetOptions{PrevExist: client.PrevExist})},
	"ttl":                                    {call: wireSet("/t", "x", &client.SetOptions{TTL: wireTTL100})},
	"get ttl":                                {call: wireGet("/t", nil)},
	"refresh":                                {call: wireSet("/t", "", &client.SetOptions{PrevExist: client.PrevExist, Refresh: true, TTL: 2 * wireTTL100})},
	"refresh with value":                     {call: wireSet("/t", "x", &client.SetOptions{PrevExist: client.PrevExist, Refresh: true, TTL: 2 * wireTTL100}), refused: "a refresh carries no value"},
	"refresh without ttl":                    {call: wireSet("/t", "", &client.SetOptions{PrevExist: client.PrevExist, Refresh: true}), refused: "a refresh carries a TTL"},
	"drop ttl by update":                     {call: wireUpdate("/t", "x")},
	"ttl not a number":                       {call: wireSet("/t", "x", nil), notMade: "a TTL is a time.Duration"},
	"ttl zero":                               {call: wireSet("/tz", "x", &client.SetOptions{TTL: time.Nanosecond}), notMade: "a TTL is rounded up to a second, none is not sent"},
	"no value on success, new":               {call: wireSet("/nv", "1", &client.SetOptions{NoValueOnSuccess: true})},
	"no value on success, compare fails":     {call: wireSet("/nv", "1", &client.SetOptions{NoValueOnSuccess: true, PrevValue: "zz"}), is: "IsTestFailed"},
	"in order 1":                             {call: wireInOrder("/q", "j1", nil)},
	"in order 2":                             {call: wireInOrder("q/", "j2", &client.CreateInOrderOptions{TTL: wireTTL100})},
	"list in order":                          {call: wireGet("/q", &client.GetOptions{Recursive: true, Sort: true})},
	"in order below a file":                  {call: wireInOrder("/a", "j", nil)},
	"make dir":                               {call: wireSet("/d", "", &client.SetOptions{Dir: true})},
	"make dir again":                         {call: wireSet("/d", "", &client.SetOptions{Dir: true})},
	"dir with ttl, existing":                 {call: wireSet("/d", "", &client.SetOptions{Dir: true, PrevExist: client.PrevExist, TTL: 3 * wireTTL100})},
	"set in dir":                             {call: wireSet("/d/x/y", "1", nil)},
	"get dir flat":                           {call: wireGet("/d/", nil)},
	"get dir recursive":                      {call: wireGet("/d", &client.GetOptions{Recursive: true, Sort: true})},
	"set on dir":                             {call: wireSet("/d", "1", nil)},
	"set below a file":                       {call: wireSet("/a//b", "1", nil)},
	"delete dir without dir":                 {call: wireDelete("/d", nil)},
	"delete non-empty dir":                   {call: wireDelete("/d", &client.DeleteOptions{Dir: true})},
	"delete dir recursive":                   {call: wireDelete("/d", &client.DeleteOptions{Dir: true, Recursive: true})},
	"delete missing":                         {call: wireDelete("/d", nil), is: "IsKeyNotFound"},
	"compare and delete fails":               {call: wireDelete("/a", &client.DeleteOptions{PrevValue: "zz"}), is: "IsTestFailed"},
	"compare and delete by index fails":      {call: wireDelete("/a", &client.DeleteOptions{PrevIndex: 1}), is: "IsTestFailed"},
	"compare and delete":                     {call: wireDelete("/a", &client.DeleteOptions{PrevValue: "5"})},
	"delete":                                 {call: wireDelete("/empty", nil)},
	"delete root":                            {call: wireDelete("/", &client.DeleteOptions{Recursive: true})},
	"set root":                               {call: wireSet("", "x", nil)},
	"hidden key":                             {call: wireSet("/_h", "x", nil)},
	"root with a hidden key":                 {call: wireGet("/", &client.GetOptions{Sort: true})},
	"bad bool":                               {call: wireGet("/q", nil), notMade: "a flag is a bool"},
	"bad index":                              {call: wireGet("/q", nil), notMade: "an index is a number"},
	"bad method":                             {notMade: "no call makes a PATCH request"},
	"wait on put":                            {call: wireSet("/q/w", "x", nil), notMade: "only a Watcher waits"},
	"watch from now":                         {call: wireWatch("/w")},
	"watch from an index in history":         {call: wireWatch("/w")},
	"watch an expiry":                        {call: wireWatch("/e")},
	"watch from a cleared index":             {call: wireWatch("/w"), is: "IsEventIndexCleared"},
	"set without credentials, no guest role": {call: wireSet("/x", "1", nil), is: "IsUnauthorized"},
	"set as joe, no role":                    {call: wireSet("/x", "1", nil), is: "IsUnauthorized"},
	"get as joe, wrong password":             {call: wireGet("/x", nil), is: "IsUnauthorized"},
	"members":                                {call: wireList},
	"leader":                                 {call: wireLeader},
	"add member, bad json":                   {notMade: "no call sends what is not JSON"},
	"add member, no json type":               {call: wireAddMember, notMade: "Add says that it sends JSON"},
	"members again":                          {call: wireList},
	"update member peer urls":                {call: wireUpdateMember},
	"update unknown member":                  {call: wireUpdateMember},
	"remove unknown member":                  {call: wireRemoveMember},
	"remove, bad id":                         {call: wireRemoveMember},
	"add member with a peer url that exists": {call: wireAddMember},
	"members without credentials":            {call: wireList},
	"add member without credentials":         {call: wireAddMember, is: "IsUnauthorized"},
	"machines":                               {notMade: "/v2/machines is older than the members API"},
	"stats self":                             {notMade: "no call asks for statistics"},
	"stats leader":                           {notMade: "no call asks for statistics"},
	"stats store":                            {notMade: "no call asks for statistics"},
	"auth status":                            {notMade: "no call asks whether auth is enabled"},
	"enable without root":                    {call: wireEnable},
	"enable":                                 {call: wireEnable},
	"enable again":                           {call: wireEnable},
	"disable":                                {call: wireDisable},
	"disable again":                          {call: wireDisable},
	"users, none":                            {call: wireListUsers},
	"users":                                  {call: wireListUsers},
	"users without credentials":              {call: wireListUsers, is: "IsUnauthorized"},
	"users, wrong password":                  {call: wireListUsers, is: "IsUnauthorized"},
	"add root":                               {call: wireAddUser("root", "rootpw")},
	"add user":                               {call: wireAddUser("joe", "pw")},
	"add user again":                         {call: wireAddUser("joe", "pw")},
	"add user without password":              {call: wireAddUser("nopw", "")},
	"grant user a role":                      {call: wireGrantUser("joe", "rr")},
	"grant user the role again":              {call: wireGrantUser("joe", "rr")},
	"get user":                               {call: wireGetUser("joe")},
	"get unknown user":                       {call: wireGetUser("nobody"), is: "IsUserNotFound"},
	"remove user":                            {call: wireRemoveUser("joe")},
	"remove unknown user":                    {call: wireRemoveUser("joe"), is: "IsUserNotFound"},
	"remove root while enabled":              {call: wireRemoveUser("root")},
	"roles":                                  {call: wireListRoles},
	"roles, two":                             {call: wireListRoles},
	"add role":                               {call: wireAddRole("rr"), notMade: noRoleBody},
	"add role again":                         {call: wireAddRole("rr"), notMade: noRoleBody},
	"role named otherwise in the body":       {call: wireAddRole("rr"), notMade: noRoleBody},
	"get role":                               {call: wireGetRole("rr")},
	"get unknown role":                       {call: wireGetRole("nobody"), is: "IsRoleNotFound"},
	"remove role guest":                      {call: wireRemoveRole("guest")},
	"remove role":                            {call: wireRemoveRole("rr")},
	"remove unknown role":                    {call: wireRemoveRole("rr"), is: "IsRoleNotFound"},
	"grant role permissions":                 {call: wireGrantRole("rr", client.ReadPermission, "/q*", "/z*"), notMade: "GrantRoleKV grants the same prefixes for reading and writing"},
	"grant role permissions, new":            {call: wireGrantRole("rr", client.ReadWritePermission, "/z*")},
	"change password": {call: wireUsers(func(ctx context.Context, u client.AuthUserAPI) (any, error) {
		return u.ChangePassword(ctx, "joe", "pw2")
	})},
	"revoke user a role": {call: wireUsers(func(ctx context.Context, u client.AuthUserAPI) (any, error) {
		return u.RevokeUser(ctx, "joe", []string{"rr"})
	})},
	"revoke role permissions": {call: wireRoles(func(ctx context.Context, r client.AuthRoleAPI) (any, error) {
		return r.RevokeRoleKV(ctx, "rr", []string{"/z*"}, client.ReadPermission)
	})},
}
