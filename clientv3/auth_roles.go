package clientv3

import (
	"context"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

func (a *auth) RoleAdd(ctx context.Context, name string) (*AuthRoleAddResponse, error) {
	request := &pb.AuthRoleAddRequest{Name: name}
	reply, err := send[pb.AuthRoleAddResponse](ctx, a.c, pb.Auth_RoleAdd_FullMethodName, request, writes)
	return (*AuthRoleAddResponse)(reply), err
}

func (a *auth) RoleGrantPermission(ctx context.Context, name, key, rangeEnd string, permType PermissionType) (*AuthRoleGrantPermissionResponse, error) {
	request := &pb.AuthRoleGrantPermissionRequest{
		Name: name,
		Perm: &authpb.Permission{Key: []byte(key), RangeEnd: []byte(rangeEnd), PermType: permType},
	}
	reply, err := send[pb.AuthRoleGrantPermissionResponse](ctx, a.c, pb.Auth_RoleGrantPermission_FullMethodName, request, writes)
	return (*AuthRoleGrantPermissionResponse)(reply), err
}

func (a *auth) RoleGrant(ctx context.Context, name, key string, permType PermissionType) (*AuthRoleGrantResponse, error) {
	return a.RoleGrantPermission(ctx, name, key, "", permType)
}

func (a *auth) RoleGet(ctx context.Context, role string) (*AuthRoleGetResponse, error) {
	request := &pb.AuthRoleGetRequest{Role: role}
	reply, err := send[pb.AuthRoleGetResponse](ctx, a.c, pb.Auth_RoleGet_FullMethodName, request, reads)
	return (*AuthRoleGetResponse)(reply), err
}

func (a *auth) RoleList(ctx context.Context) (*AuthRoleListResponse, error) {
	reply, err := send[pb.AuthRoleListResponse](ctx, a.c, pb.Auth_RoleList_FullMethodName, &pb.AuthRoleListRequest{}, reads)
	return (*AuthRoleListResponse)(reply), err
}

func (a *auth) RoleRevokePermission(ctx context.Context, role, key, rangeEnd string) (*AuthRoleRevokePermissionResponse, error) {
	request := &pb.AuthRoleRevokePermissionRequest{Role: role, Key: []byte(key), RangeEnd: []byte(rangeEnd)}
	reply, err := send[pb.AuthRoleRevokePermissionResponse](ctx, a.c, pb.Auth_RoleRevokePermission_FullMethodName, request, writes)
	return (*AuthRoleRevokePermissionResponse)(reply), err
}

func (a *auth) RoleDelete(ctx context.Context, role string) (*AuthRoleDeleteResponse, error) {
	request := &pb.AuthRoleDeleteRequest{Role: role}
	reply, err := send[pb.AuthRoleDeleteResponse](ctx, a.c, pb.Auth_RoleDelete_FullMethodName, request, writes)
	return (*AuthRoleDeleteResponse)(reply), err
}
