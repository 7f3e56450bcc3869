package clientv3

import (
	"context"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// AuthenticateResponse is what [Auth.Authenticate] returns.
type AuthenticateResponse pb.AuthenticateResponse

// AuthEnableResponse is what [Auth.AuthEnable] returns.
type AuthEnableResponse pb.AuthEnableResponse

// AuthDisableResponse is what [Auth.AuthDisable] returns.
type AuthDisableResponse pb.AuthDisableResponse

// AuthStatusResponse is what [Auth.AuthStatus] returns.
type AuthStatusResponse pb.AuthStatusResponse

// AuthUserAddResponse is what [Auth.UserAdd] returns.
type AuthUserAddResponse pb.AuthUserAddResponse

// AuthUserDeleteResponse is what [Auth.UserDelete] returns.
type AuthUserDeleteResponse pb.AuthUserDeleteResponse

// AuthUserChangePasswordResponse is what [Auth.UserChangePassword] returns.
type AuthUserChangePasswordResponse pb.AuthUserChangePasswordResponse

// AuthUserGrantRoleResponse is what [Auth.UserGrantRole] returns.
type AuthUserGrantRoleResponse pb.AuthUserGrantRoleResponse

// AuthUserGetResponse is what [Auth.UserGet] returns.
type AuthUserGetResponse pb.AuthUserGetResponse

// AuthUserListResponse is what [Auth.UserList] returns.
type AuthUserListResponse pb.AuthUserListResponse

// AuthUserRevokeRoleResponse is what [Auth.UserRevokeRole] returns.
type AuthUserRevokeRoleResponse pb.AuthUserRevokeRoleResponse

// AuthRoleAddResponse is what [Auth.RoleAdd] returns.
type AuthRoleAddResponse pb.AuthRoleAddResponse

// AuthRoleGrantPermissionResponse is what [Auth.RoleGrantPermission] returns.
type AuthRoleGrantPermissionResponse pb.AuthRoleGrantPermissionResponse

// AuthRoleGetResponse is what [Auth.RoleGet] returns.
type AuthRoleGetResponse pb.AuthRoleGetResponse

// AuthRoleListResponse is what [Auth.RoleList] returns.
type AuthRoleListResponse pb.AuthRoleListResponse

// AuthRoleRevokePermissionResponse is what [Auth.RoleRevokePermission] returns.
type AuthRoleRevokePermissionResponse pb.AuthRoleRevokePermissionResponse

// AuthRoleDeleteResponse is what [Auth.RoleDelete] returns.
type AuthRoleDeleteResponse pb.AuthRoleDeleteResponse

// AuthUserGrantResponse is what [Auth.UserGrant] returns.
type AuthUserGrantResponse = AuthUserGrantRoleResponse

// AuthRoleGrantResponse is what [Auth.RoleGrant] returns.
type AuthRoleGrantResponse = AuthRoleGrantPermissionResponse

// PermissionType is what a role may do with keys.
type PermissionType = authpb.Permission_Type

// What a role may do with keys.
const (
	PermRead      = authpb.Permission_READ
	PermWrite     = authpb.Permission_WRITE
	PermReadWrite = authpb.Permission_READWRITE
)

// Permission is what a role may do with which keys.
type Permission authpb.Permission

// UserAddOptions says how a new user may log in.
type UserAddOptions authpb.UserAddOptions

// StrToPermissionType returns what "read", "write" or "readwrite" means.
func StrToPermissionType(s string) (PermissionType, error) {
	if value, ok := authpb.Permission_Type_value[strings.ToUpper(s)]; ok {
		return PermissionType(value), nil
	}
	return 0, fmt.Errorf("clientv3: permission type %q; there are read, write and readwrite", s)
}

// Auth manages users and roles. Calls that change something are repeated only
// when they had no effect. Errors are those of package rpctypes, such as
// ErrUserNotFound, ErrRoleNotFound and, for who is not root, ErrPermissionDenied.
type Auth interface {
	// Authenticate returns a token for name. The client gets its own ones itself.
	Authenticate(ctx context.Context, name string, password string) (*AuthenticateResponse, error)

	// AuthEnable makes the cluster demand authentication. There must be a user
	// root with the role root (rpctypes.ErrRootUserNotExist, ErrRootRoleNotExist).
	AuthEnable(ctx context.Context) (*AuthEnableResponse, error)

	// AuthDisable makes the cluster serve everybody.
	AuthDisable(ctx context.Context) (*AuthDisableResponse, error)

	// AuthStatus tells whether authentication is on. It needs etcd 3.5.
	AuthStatus(ctx context.Context) (*AuthStatusResponse, error)

	// UserAdd adds a user with a password.
	UserAdd(ctx context.Context, name string, password string) (*AuthUserAddResponse, error)

	// UserAddWithOptions adds a user, without a password if opt says so. A nil opt
	// is UserAdd.
	UserAddWithOptions(ctx context.Context, name string, password string, opt *UserAddOptions) (*AuthUserAddResponse, error)

	// UserDelete deletes a user.
	UserDelete(ctx context.Context, name string) (*AuthUserDeleteResponse, error)

	// UserChangePassword gives a user another password.
	UserChangePassword(ctx context.Context, name string, password string) (*AuthUserChangePasswordResponse, error)

	// UserGrantRole gives a user a role.
	UserGrantRole(ctx context.Context, user string, role string) (*AuthUserGrantRoleResponse, error)

	// UserGrant is the older name of UserGrantRole.
	UserGrant(ctx context.Context, user string, role string) (*AuthUserGrantResponse, error)

	// UserGet returns the roles of a user.
	UserGet(ctx context.Context, name string) (*AuthUserGetResponse, error)

	// UserList returns the names of all users.
	UserList(ctx context.Context) (*AuthUserListResponse, error)

	// UserRevokeRole takes a role from a user.
	UserRevokeRole(ctx context.Context, name string, role string) (*AuthUserRevokeRoleResponse, error)

	// RoleAdd adds a role, which may do nothing yet.
	RoleAdd(ctx context.Context, name string) (*AuthRoleAddResponse, error)

	// RoleGrantPermission allows a role permType on the keys from key up to
	// rangeEnd, or on key alone if rangeEnd is empty.
	RoleGrantPermission(ctx context.Context, name string, key, rangeEnd string, permType PermissionType) (*AuthRoleGrantPermissionResponse, error)

	// RoleGrant is RoleGrantPermission for one key.
	RoleGrant(ctx context.Context, name string, key string, permType PermissionType) (*AuthRoleGrantResponse, error)

	// RoleGet returns what a role may do.
	RoleGet(ctx context.Context, role string) (*AuthRoleGetResponse, error)

	// RoleList returns the names of all roles.
	RoleList(ctx context.Context) (*AuthRoleListResponse, error)

	// RoleRevokePermission takes back a permission granted for the same key and
	// rangeEnd.
	RoleRevokePermission(ctx context.Context, role string, key, rangeEnd string) (*AuthRoleRevokePermissionResponse, error)

	// RoleDelete deletes a role, also from all users.
	RoleDelete(ctx context.Context, role string) (*AuthRoleDeleteResponse, error)
}

type auth struct{ c *caller }

// NewAuth returns the Auth calls of c alone, also where c.Auth was replaced.
func NewAuth(c *Client) Auth { return &auth{&c.caller} }

func (a *auth) Authenticate(ctx context.Context, name, password string) (*AuthenticateResponse, error) {
	anonymous := *a.c
	anonymous.token = nil
	request := &pb.AuthenticateRequest{Name: name, Password: password}
	reply, err := send[pb.AuthenticateResponse](ctx, &anonymous, pb.Auth_Authenticate_FullMethodName, request, reads)
	return (*AuthenticateResponse)(reply), err
}

func (a *auth) AuthEnable(ctx context.Context) (*AuthEnableResponse, error) {
	reply, err := send[pb.AuthEnableResponse](ctx, a.c, pb.Auth_AuthEnable_FullMethodName, &pb.AuthEnableRequest{}, writes)
	return (*AuthEnableResponse)(reply), err
}

func (a *auth) AuthDisable(ctx context.Context) (*AuthDisableResponse, error) {
	reply, err := send[pb.AuthDisableResponse](ctx, a.c, pb.Auth_AuthDisable_FullMethodName, &pb.AuthDisableRequest{}, writes)
	return (*AuthDisableResponse)(reply), err
}

func (a *auth) AuthStatus(ctx context.Context) (*AuthStatusResponse, error) {
	reply, err := send[pb.AuthStatusResponse](ctx, a.c, pb.Auth_AuthStatus_FullMethodName, &pb.AuthStatusRequest{}, reads)
	return (*AuthStatusResponse)(reply), err
}
