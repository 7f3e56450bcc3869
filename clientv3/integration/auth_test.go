package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

// A step is one call of the auth API and the error it is to end with.
type step struct {
	name string
	do   func() error
	err  error
}

func runSteps(s story, steps []step) {
	s.Helper()
	for _, st := range steps {
		if err := st.do(); !errors.Is(err, st.err) {
			s.Errorf("%s: %v, want %v", st.name, err, st.err)
		}
	}
}

// failure turns a call's results into its error.
func failure[T any](_ T, err error) error { return err }

func TestUsersAndRoles(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli, ctx := s.client(), s.ctx
		runSteps(s, []step{
			{"enable without root", func() error { return failure(cli.AuthEnable(ctx)) }, rpctypes.ErrRootUserNotExist},
			{"add a user", func() error { return failure(cli.UserAdd(ctx, "joe", "secret")) }, nil},
			{"add a user twice", func() error { return failure(cli.UserAdd(ctx, "joe", "secret")) }, rpctypes.ErrUserAlreadyExist},
			{"add a user without a name", func() error { return failure(cli.UserAdd(ctx, "", "secret")) }, rpctypes.ErrUserEmpty},
			{"add a user without a password", func() error {
				return failure(cli.UserAddWithOptions(ctx, "cn", "", &clientv3.UserAddOptions{NoPassword: true}))
			}, nil},
			{"change a password", func() error { return failure(cli.UserChangePassword(ctx, "joe", "other")) }, nil},
			{"change nobody's", func() error { return failure(cli.UserChangePassword(ctx, "jim", "other")) }, rpctypes.ErrUserNotFound},
			{"add a role", func() error { return failure(cli.RoleAdd(ctx, "reader")) }, nil},
			{"add a role twice", func() error { return failure(cli.RoleAdd(ctx, "reader")) }, rpctypes.ErrRoleAlreadyExist},
			{"grant a range", func() error {
				return failure(cli.RoleGrantPermission(ctx, "reader", "a", "c", clientv3.PermRead))
			}, nil},
			{"grant a key", func() error { return failure(cli.RoleGrant(ctx, "reader", "k", clientv3.PermReadWrite)) }, nil},
			{"grant to no role", func() error { return failure(cli.RoleGrant(ctx, "none", "k", clientv3.PermWrite)) }, rpctypes.ErrRoleNotFound},
			{"give a role", func() error { return failure(cli.UserGrantRole(ctx, "joe", "reader")) }, nil},
			{"give a role by the older name", func() error { return failure(cli.UserGrant(ctx, "cn", "reader")) }, nil},
			{"give no role", func() error { return failure(cli.UserGrantRole(ctx, "joe", "none")) }, rpctypes.ErrRoleNotFound},
		})
		want(s, "roles of joe", must[*clientv3.AuthUserGetResponse](s)(cli.UserGet(ctx, "joe")).Roles, []string{"reader"})
		want(s, "users", must[*clientv3.AuthUserListResponse](s)(cli.UserList(ctx)).Users, []string{"cn", "joe"})
		want(s, "roles", must[*clientv3.AuthRoleListResponse](s)(cli.RoleList(ctx)).Roles, []string{"reader"})
		var perms []string
		for _, p := range must[*clientv3.AuthRoleGetResponse](s)(cli.RoleGet(ctx, "reader")).Perm {
			perms = append(perms, fmt.Sprintf("%v %s %s", p.PermType, p.Key, p.RangeEnd))
		}
		want(s, "permissions", perms, []string{"READ a c", "READWRITE k "})
		runSteps(s, []step{
			{"revoke a permission", func() error { return failure(cli.RoleRevokePermission(ctx, "reader", "a", "c")) }, nil},
			{"revoke it twice", func() error { return failure(cli.RoleRevokePermission(ctx, "reader", "a", "c")) }, rpctypes.ErrPermissionNotGranted},
			{"take a role", func() error { return failure(cli.UserRevokeRole(ctx, "joe", "reader")) }, nil},
			{"take it twice", func() error { return failure(cli.UserRevokeRole(ctx, "joe", "reader")) }, rpctypes.ErrRoleNotGranted},
			{"delete a role", func() error { return failure(cli.RoleDelete(ctx, "reader")) }, nil},
			{"delete it twice", func() error { return failure(cli.RoleDelete(ctx, "reader")) }, rpctypes.ErrRoleNotFound},
			{"get no role", func() error { return failure(cli.RoleGet(ctx, "reader")) }, rpctypes.ErrRoleNotFound},
			{"delete a user", func() error { return failure(cli.UserDelete(ctx, "joe")) }, nil},
			{"delete it twice", func() error { return failure(cli.UserDelete(ctx, "joe")) }, rpctypes.ErrUserNotFound},
			{"get no user", func() error { return failure(cli.UserGet(ctx, "joe")) }, rpctypes.ErrUserNotFound},
			{"authenticate while it is off", func() error { return failure(cli.Authenticate(ctx, "cn", "")) }, rpctypes.ErrAuthNotEnabled},
		})
	})
}

// protect adds root and joe, who may read and write what begins with k, and
// switches authentication on.
func (s story) protect(cli *clientv3.Client) {
	s.Helper()
	ctx := s.ctx
	runSteps(s, []step{
		{"root", func() error { return failure(cli.UserAdd(ctx, "root", "all")) }, nil},
		{"role root", func() error { return failure(cli.RoleAdd(ctx, "root")) }, nil},
		{"root's role", func() error { return failure(cli.UserGrantRole(ctx, "root", "root")) }, nil},
		{"joe", func() error { return failure(cli.UserAdd(ctx, "joe", "secret")) }, nil},
		{"role keys", func() error { return failure(cli.RoleAdd(ctx, "keys")) }, nil},
		{"permission", func() error {
			return failure(cli.RoleGrantPermission(ctx, "keys", "k", clientv3.GetPrefixRangeEnd("k"), clientv3.PermReadWrite))
		}, nil},
		{"joe's role", func() error { return failure(cli.UserGrantRole(ctx, "joe", "keys")) }, nil},
		{"enable", func() error { return failure(cli.AuthEnable(ctx)) }, nil},
	})
}

func as(name, password string) func(*clientv3.Config) {
	return func(c *clientv3.Config) { c.Username, c.Password = name, password }
}

func TestPasswords(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		nobody := s.client()
		s.protect(nobody)
		ctx, joe, root := s.ctx, s.client(as("joe", "secret")), s.client(as("root", "all"))
		runSteps(s, []step{
			{"nobody writes", func() error { return failure(nobody.Put(ctx, "k", "")) }, rpctypes.ErrUserEmpty},
			{"joe writes", func() error { return failure(joe.Put(ctx, "k", "1")) }, nil},
			{"joe writes what is not his", func() error { return failure(joe.Put(ctx, "a", "1")) }, rpctypes.ErrPermissionDenied},
			{"joe reads all", func() error { return failure(joe.Get(ctx, "", clientv3.WithPrefix())) }, rpctypes.ErrPermissionDenied},
			{"joe adds a user", func() error { return failure(joe.UserAdd(ctx, "jim", "x")) }, rpctypes.ErrPermissionDenied},
			{"root writes", func() error { return failure(root.Put(ctx, "a", "1")) }, nil},
			{"a token", func() error { return failure(nobody.Authenticate(ctx, "joe", "secret")) }, nil},
			{"a wrong password", func() error { return failure(nobody.Authenticate(ctx, "joe", "wrong")) }, rpctypes.ErrAuthFailed},
		})
		if r := <-joe.Watch(ctx, "a"); !errors.Is(r.Err(), rpctypes.ErrPermissionDenied) {
			s.Errorf("joe watches what is not his: %+v, %v", r, r.Err())
		}
		if _, err := clientv3.New(clientv3.Config{Endpoints: s.c.Endpoints(), DialTimeout: 20 * time.Second, Username: "joe", Password: "wrong"}); !errors.Is(err, rpctypes.ErrAuthFailed) {
			s.Errorf("New with a wrong password: %v", err)
		}
		token := must[*clientv3.AuthenticateResponse](s)(nobody.Authenticate(ctx, "joe", "secret")).Token
		bearer := s.client(func(c *clientv3.Config) { c.Token = token })
		must[*clientv3.PutResponse](s)(bearer.Put(ctx, "k", "2"))

		authStatus, err := root.AuthStatus(ctx)
		switch {
		case !s.since("3.5"):
			want(s, "code of AuthStatus", status.Code(err), codes.Unimplemented)
		case err != nil || !authStatus.Enabled:
			s.Errorf("status: %v, %v", authStatus, err)
		}
		must[*clientv3.AuthDisableResponse](s)(root.AuthDisable(ctx))
		must[*clientv3.PutResponse](s)(nobody.Put(ctx, "a", "2"))
	})
}

// A token of the simple kind ends when it is not used for this long.
func TestTokensEndWithinALongWatch(t *testing.T) {
	onEach(t, harness.Options{Flags: []string{"--auth-token=simple", "--auth-token-ttl=1"}, RawProxies: true}, func(s story) {
		s.protect(s.client())
		joe, root := s.client(as("joe", "secret")), s.client(as("root", "all"))
		watch := joe.Watch(s.ctx, "k", clientv3.WithPrefix())
		lease := must[*clientv3.LeaseGrantResponse](s)(joe.Grant(s.ctx, 60)).ID
		renewals := must[<-chan *clientv3.LeaseKeepAliveResponse](s)(joe.KeepAlive(s.ctx, lease))
		<-renewals
		for i := range 3 {
			// The token ends, and the connection, so that the watch must begin anew.
			harness.WaitFor(s, storyTimeout, untilItEnds(s, root, 3*time.Second))
			s.c.Member(0).Proxy().Reset()
			must[*clientv3.GetResponse](s)(root.Get(s.ctx, "k")) // A put might end with the connection.
			must[*clientv3.PutResponse](s)(root.Put(s.ctx, fmt.Sprintf("k/%d", i), "1"))
			want(s, "event", len(readEvents(s, watch, 1)), 1)
			must[*clientv3.GetResponse](s)(joe.Get(s.ctx, "k"))
		}
		must[*clientv3.LeaseKeepAliveResponse](s)(joe.KeepAliveOnce(s.ctx, lease))
	})
}

// untilItEnds is nil from pause on, during which root's token is the only one
// that is used.
func untilItEnds(s story, root *clientv3.Client, pause time.Duration) func() error {
	s.Helper()
	from := time.Now()
	return func() error {
		if _, err := root.Get(s.ctx, "k"); err != nil {
			s.Error(err)
		}
		if time.Since(from) < pause {
			return errors.New("tokens may live")
		}
		return nil
	}
}

// issue makes a certificate of ca.
func issue(tb testing.TB, ca *harness.CA, name string) tls.Certificate {
	tb.Helper()
	pair := must[harness.KeyPair](tb)(ca.Issue(name))
	return must[tls.Certificate](tb)(tls.X509KeyPair(pair.CertPEM, pair.KeyPEM))
}

// onSecure tells a story on servers that demand certificates of ca.
func onSecure(t *testing.T, tell func(s story, ca *harness.CA)) {
	t.Helper()
	ca := must[*harness.CA](t)(harness.NewCA())
	server := must[harness.KeyPair](t)(ca.Issue("server"))
	o := harness.Options{TLS: &harness.ServerTLS{CA: ca, Cert: server, ClientAuth: true}, RawProxies: true}
	onEach(t, o, func(s story) { tell(s, ca) })
}

func TestCertificatesAreUsers(t *testing.T) {
	onSecure(t, func(s story, ca *harness.CA) {
		with := func(name string) func(*clientv3.Config) {
			cert := issue(s, ca, name)
			return func(c *clientv3.Config) {
				c.TLS = &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{cert}}
			}
		}
		s.protect(s.client(with("root")))
		root, joe, stranger := s.client(with("root")), s.client(with("joe")), s.client(with("stranger"))
		watch := joe.Watch(s.ctx, "k")
		runSteps(s, []step{
			{"root", func() error { return failure(root.Put(s.ctx, "a", "1")) }, nil},
			{"joe", func() error { return failure(joe.Put(s.ctx, "k", "1")) }, nil},
			{"joe where he may not", func() error { return failure(joe.Put(s.ctx, "a", "1")) }, rpctypes.ErrPermissionDenied},
			{"a certificate of nobody", func() error { return failure(stranger.Put(s.ctx, "k", "1")) }, rpctypes.ErrPermissionDenied},
			{"a password goes first", func() error { return failure(s.client(with("joe"), as("root", "all")).Put(s.ctx, "a", "1")) }, nil},
		})
		want(s, "joe's watch", len(readEvents(s, watch, 1)), 1)
	})
}

func TestCertificatesAreReplacedWhileTheClientRuns(t *testing.T) {
	onSecure(t, func(s story, ca *harness.CA) {
		var current atomic.Pointer[tls.Certificate]
		var asked atomic.Int32
		first, second := issue(s, ca, "first"), issue(s, ca, "second")
		current.Store(&first)
		config := &tls.Config{RootCAs: ca.Pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked.Add(1)
			return current.Load(), nil
		}}
		cli := s.client(func(c *clientv3.Config) { c.TLS = config })
		watch := cli.Watch(s.ctx, "k")
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k", "1"))
		want(s, "first event", readEvents(s, watch, 1), []string{"create k=1 at 2"})

		before := asked.Load()
		current.Store(&second)
		s.c.Member(0).Proxy().Reset()
		put := func(ctx context.Context) error { return failure(cli.Put(ctx, "k", "2")) }
		check(s, harness.Until(s.ctx, put))
		if asked.Load() == before {
			s.Error("nobody asked for the new certificate")
		}
		r := <-watch
		if len(r.Events) == 0 || r.Events[0].Kv.Version != 2 {
			s.Errorf("the watch: %v, %v", r.Events, r.Err())
		}

		// Without a certificate there is no connection, and the error says why.
		_, err := clientv3.New(clientv3.Config{Endpoints: s.c.Endpoints(), DialTimeout: 2 * time.Second, TLS: &tls.Config{RootCAs: ca.Pool()}})
		if !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("without a certificate: %v", err)
		}
	})
}
