package clientv3_test

import (
	"context"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/coreos/etcd/clientv3"
)

// contract is a call of one request: what it sends, and whether that changes
// anything.
type contract struct {
	name   string
	do     func(ctx context.Context, c *clientv3.Client, endpoint string) (any, error)
	sends  proto.Message
	reply  proto.Message
	writes bool
	once   bool // at one endpoint, where it is repeated once at most
}

// result makes what a call returns an any.
func result[R any](reply *R, err error) (any, error) {
	if reply == nil {
		return nil, err
	}
	return reply, err
}

func contracts() []contract {
	type client = *clientv3.Client
	type ctx = context.Context
	list := append(authContracts(), clusterContracts()...)
	return append(list, []contract{
		{
			name: "Compact",
			do: func(x ctx, c client, _ string) (any, error) {
				return result(c.Compact(x, 7, clientv3.WithCompactPhysical()))
			},
			sends: &pb.CompactionRequest{Revision: 7, Physical: true}, reply: &pb.CompactionResponse{}, writes: true,
		},
		{
			name:  "AlarmList",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.AlarmList(x)) },
			sends: &pb.AlarmRequest{Action: pb.AlarmRequest_GET}, reply: &pb.AlarmResponse{},
		},
		{
			name: "AlarmDisarm",
			do: func(x ctx, c client, _ string) (any, error) {
				return result(c.AlarmDisarm(x, &clientv3.AlarmMember{MemberID: 7, Alarm: pb.AlarmType_NOSPACE}))
			},
			sends: &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: 7, Alarm: pb.AlarmType_NOSPACE},
			reply: &pb.AlarmResponse{}, writes: true,
		},
		{
			name:  "Defragment",
			do:    func(x ctx, c client, e string) (any, error) { return result(c.Defragment(x, e)) },
			sends: &pb.DefragmentRequest{}, reply: &pb.DefragmentResponse{}, writes: true, once: true,
		},
		{
			name:  "Status",
			do:    func(x ctx, c client, e string) (any, error) { return result(c.Status(x, e)) },
			sends: &pb.StatusRequest{}, reply: &pb.StatusResponse{}, once: true,
		},
		{
			name:  "HashKV",
			do:    func(x ctx, c client, e string) (any, error) { return result(c.HashKV(x, e, 7)) },
			sends: &pb.HashKVRequest{Revision: 7}, reply: &pb.HashKVResponse{}, once: true,
		},
		{
			name:  "MoveLeader",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.MoveLeader(x, 7)) },
			sends: &pb.MoveLeaderRequest{TargetID: 7}, reply: &pb.MoveLeaderResponse{}, writes: true, once: true,
		},
		{
			name: "Downgrade",
			do: func(x ctx, c client, _ string) (any, error) {
				return result(c.Downgrade(x, clientv3.DowngradeEnable, "3.4.0"))
			},
			sends: &pb.DowngradeRequest{Action: pb.DowngradeRequest_ENABLE, Version: "3.4.0"},
			reply: &pb.DowngradeResponse{}, writes: true,
		},
	}...)
}

func clusterContracts() []contract {
	type client = *clientv3.Client
	type ctx = context.Context
	peers := []string{"http://p:1"}
	return []contract{
		{
			name:  "MemberList",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.MemberList(x)) },
			sends: &pb.MemberListRequest{Linearizable: true}, reply: &pb.MemberListResponse{},
		},
		{
			name: "MemberList, serializable",
			do: func(x ctx, c client, _ string) (any, error) {
				return result(c.MemberList(x, clientv3.WithSerializable()))
			},
			sends: &pb.MemberListRequest{}, reply: &pb.MemberListResponse{},
		},
		{
			name:  "MemberAdd",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.MemberAdd(x, peers)) },
			sends: &pb.MemberAddRequest{PeerURLs: peers}, reply: &pb.MemberAddResponse{}, writes: true,
		},
		{
			name:  "MemberAddAsLearner",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.MemberAddAsLearner(x, peers)) },
			sends: &pb.MemberAddRequest{PeerURLs: peers, IsLearner: true}, reply: &pb.MemberAddResponse{}, writes: true,
		},
		{
			name:  "MemberRemove",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.MemberRemove(x, 7)) },
			sends: &pb.MemberRemoveRequest{ID: 7}, reply: &pb.MemberRemoveResponse{}, writes: true,
		},
		{
			name:  "MemberUpdate",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.MemberUpdate(x, 7, peers)) },
			sends: &pb.MemberUpdateRequest{ID: 7, PeerURLs: peers}, reply: &pb.MemberUpdateResponse{}, writes: true,
		},
		{
			name:  "MemberPromote",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.MemberPromote(x, 7)) },
			sends: &pb.MemberPromoteRequest{ID: 7}, reply: &pb.MemberPromoteResponse{}, writes: true,
		},
	}
}

func authContracts() []contract {
	return append(userContracts(), roleContracts()...)
}

func userContracts() []contract {
	type client = *clientv3.Client
	type ctx = context.Context
	grant := &pb.AuthUserGrantRoleRequest{User: "u", Role: "r"}
	return []contract{
		{
			name:  "Authenticate",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.Authenticate(x, "u", "p")) },
			sends: &pb.AuthenticateRequest{Name: "u", Password: "p"}, reply: &pb.AuthenticateResponse{},
		},
		{
			name:  "AuthEnable",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.AuthEnable(x)) },
			sends: &pb.AuthEnableRequest{}, reply: &pb.AuthEnableResponse{}, writes: true,
		},
		{
			name:  "AuthDisable",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.AuthDisable(x)) },
			sends: &pb.AuthDisableRequest{}, reply: &pb.AuthDisableResponse{}, writes: true,
		},
		{
			name:  "AuthStatus",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.AuthStatus(x)) },
			sends: &pb.AuthStatusRequest{}, reply: &pb.AuthStatusResponse{},
		},
		{
			name:  "UserAdd",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.UserAdd(x, "u", "p")) },
			sends: &pb.AuthUserAddRequest{Name: "u", Password: "p"}, reply: &pb.AuthUserAddResponse{}, writes: true,
		},
		{
			name: "UserAddWithOptions",
			do: func(x ctx, c client, _ string) (any, error) {
				return result(c.UserAddWithOptions(x, "u", "", &clientv3.UserAddOptions{NoPassword: true}))
			},
			sends: &pb.AuthUserAddRequest{Name: "u", Options: &authpb.UserAddOptions{NoPassword: true}},
			reply: &pb.AuthUserAddResponse{}, writes: true,
		},
		{
			name:  "UserDelete",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.UserDelete(x, "u")) },
			sends: &pb.AuthUserDeleteRequest{Name: "u"}, reply: &pb.AuthUserDeleteResponse{}, writes: true,
		},
		{
			name:  "UserChangePassword",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.UserChangePassword(x, "u", "p")) },
			sends: &pb.AuthUserChangePasswordRequest{Name: "u", Password: "p"}, reply: &pb.AuthUserChangePasswordResponse{}, writes: true,
		},
		{
			name:  "UserGrantRole",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.UserGrantRole(x, "u", "r")) },
			sends: grant, reply: &pb.AuthUserGrantRoleResponse{}, writes: true,
		},
		{
			name:  "UserGrant",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.UserGrant(x, "u", "r")) },
			sends: grant, reply: &pb.AuthUserGrantRoleResponse{}, writes: true,
		},
		{
			name:  "UserGet",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.UserGet(x, "u")) },
			sends: &pb.AuthUserGetRequest{Name: "u"}, reply: &pb.AuthUserGetResponse{},
		},
		{
			name:  "UserList",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.UserList(x)) },
			sends: &pb.AuthUserListRequest{}, reply: &pb.AuthUserListResponse{},
		},
		{
			name:  "UserRevokeRole",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.UserRevokeRole(x, "u", "r")) },
			sends: &pb.AuthUserRevokeRoleRequest{Name: "u", Role: "r"}, reply: &pb.AuthUserRevokeRoleResponse{}, writes: true,
		},
	}
}

func roleContracts() []contract {
	type client = *clientv3.Client
	type ctx = context.Context
	permission := func(end string) *pb.AuthRoleGrantPermissionRequest {
		return &pb.AuthRoleGrantPermissionRequest{Name: "r", Perm: &authpb.Permission{
			Key: []byte("k"), RangeEnd: []byte(end), PermType: authpb.Permission_READWRITE,
		}}
	}
	return []contract{
		{
			name:  "RoleAdd",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.RoleAdd(x, "r")) },
			sends: &pb.AuthRoleAddRequest{Name: "r"}, reply: &pb.AuthRoleAddResponse{}, writes: true,
		},
		{
			name: "RoleGrantPermission",
			do: func(x ctx, c client, _ string) (any, error) {
				return result(c.RoleGrantPermission(x, "r", "k", "l", clientv3.PermReadWrite))
			},
			sends: permission("l"), reply: &pb.AuthRoleGrantPermissionResponse{}, writes: true,
		},
		{
			name: "RoleGrant",
			do: func(x ctx, c client, _ string) (any, error) {
				return result(c.RoleGrant(x, "r", "k", clientv3.PermReadWrite))
			},
			sends: permission(""), reply: &pb.AuthRoleGrantPermissionResponse{}, writes: true,
		},
		{
			name:  "RoleGet",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.RoleGet(x, "r")) },
			sends: &pb.AuthRoleGetRequest{Role: "r"}, reply: &pb.AuthRoleGetResponse{},
		},
		{
			name:  "RoleList",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.RoleList(x)) },
			sends: &pb.AuthRoleListRequest{}, reply: &pb.AuthRoleListResponse{},
		},
		{
			name: "RoleRevokePermission",
			do: func(x ctx, c client, _ string) (any, error) {
				return result(c.RoleRevokePermission(x, "r", "k", "l"))
			},
			sends: &pb.AuthRoleRevokePermissionRequest{Role: "r", Key: []byte("k"), RangeEnd: []byte("l")},
			reply: &pb.AuthRoleRevokePermissionResponse{}, writes: true,
		},
		{
			name:  "RoleDelete",
			do:    func(x ctx, c client, _ string) (any, error) { return result(c.RoleDelete(x, "r")) },
			sends: &pb.AuthRoleDeleteRequest{Role: "r"}, reply: &pb.AuthRoleDeleteResponse{}, writes: true,
		},
	}
}

// TestContracts has each call answered, refused, and failed while somebody may
// have done it.
func TestContracts(t *testing.T) {
	for _, k := range contracts() {
		t.Run(k.name, func(t *testing.T) {
			m := serve(t, func(context.Context, any) (any, error) { return k.reply, nil })
			c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, MaxUnaryRetries: retries})
			reply, err := k.do(soon(t), c, m.addr)
			if err != nil || reply == nil {
				t.Errorf("got %v, %v", reply, err)
			}
			if got := m.got(); len(got) != 1 || !proto.Equal(got[0].message, k.sends) {
				t.Errorf("sent %v, not %v", got, k.sends)
			}
			for _, failure := range []error{rpctypes.ErrGRPCPermissionDenied, status.Error(codes.Unavailable, "gone")} {
				m.mu.Lock()
				m.answer, m.requests = answerError(failure), nil
				m.mu.Unlock()
				reply, err = k.do(soon(t), c, m.addr)
				if reply != nil || fmt.Sprint(err) != fmt.Sprint(rpctypes.Error(failure)) {
					t.Errorf("got %v, %v", reply, err)
				}
				want := 1
				if !k.writes && status.Code(failure) == codes.Unavailable {
					want += retries
					if k.once {
						want = 2
					}
				}
				if got := len(m.got()); got != want {
					t.Errorf("sent %d times after %v, not %d", got, failure, want)
				}
			}
		})
	}
}
