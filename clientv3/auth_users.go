package clientv3

import (
	"context"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

func (a *auth) UserAdd(ctx context.Context, name, password string) (*AuthUserAddResponse, error) {
	return a.UserAddWithOptions(ctx, name, password, nil)
}

func (a *auth) UserAddWithOptions(ctx context.Context, name, password string, opt *UserAddOptions) (*AuthUserAddResponse, error) {
	request := &pb.AuthUserAddRequest{Name: name, Password: password, Options: (*authpb.UserAddOptions)(opt)}
	reply, err := send[pb.AuthUserAddResponse](ctx, a.c, pb.Auth_UserAdd_FullMethodName, request, writes)
	return (*AuthUserAddResponse)(reply), err
}

func (a *auth) UserDelete(ctx context.Context, name string) (*AuthUserDeleteResponse, error) {
	request := &pb.AuthUserDeleteRequest{Name: name}
	reply, err := send[pb.AuthUserDeleteResponse](ctx, a.c, pb.Auth_UserDelete_FullMethodName, request, writes)
	return (*AuthUserDeleteResponse)(reply), err
}

func (a *auth) UserChangePassword(ctx context.Context, name, password string) (*AuthUserChangePasswordResponse, error) {
	request := &pb.AuthUserChangePasswordRequest{Name: name, Password: password}
	reply, err := send[pb.AuthUserChangePasswordResponse](ctx, a.c, pb.Auth_UserChangePassword_FullMethodName, request, writes)
	return (*AuthUserChangePasswordResponse)(reply), err
}

func (a *auth) UserGrantRole(ctx context.Context, user, role string) (*AuthUserGrantRoleResponse, error) {
	request := &pb.AuthUserGrantRoleRequest{User: user, Role: role}
	reply, err := send[pb.AuthUserGrantRoleResponse](ctx, a.c, pb.Auth_UserGrantRole_FullMethodName, request, writes)
	return (*AuthUserGrantRoleResponse)(reply), err
}

func (a *auth) UserGrant(ctx context.Context, user, role string) (*AuthUserGrantResponse, error) {
	return a.UserGrantRole(ctx, user, role)
}

func (a *auth) UserGet(ctx context.Context, name string) (*AuthUserGetResponse, error) {
	request := &pb.AuthUserGetRequest{Name: name}
	reply, err := send[pb.AuthUserGetResponse](ctx, a.c, pb.Auth_UserGet_FullMethodName, request, reads)
	return (*AuthUserGetResponse)(reply), err
}

func (a *auth) UserList(ctx context.Context) (*AuthUserListResponse, error) {
	reply, err := send[pb.AuthUserListResponse](ctx, a.c, pb.Auth_UserList_FullMethodName, &pb.AuthUserListRequest{}, reads)
	return (*AuthUserListResponse)(reply), err
}

func (a *auth) UserRevokeRole(ctx context.Context, name, role string) (*AuthUserRevokeRoleResponse, error) {
	request := &pb.AuthUserRevokeRoleRequest{Name: name, Role: role}
	reply, err := send[pb.AuthUserRevokeRoleResponse](ctx, a.c, pb.Auth_UserRevokeRole_FullMethodName, request, writes)
	return (*AuthUserRevokeRoleResponse)(reply), err
}
