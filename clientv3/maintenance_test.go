package clientv3_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/clientv3"
)

func TestCallsAtAnEndpoint(t *testing.T) {
	ours, other := serve(t, answerEmpty), serve(t, answerEmpty)
	c := connect(t, clientv3.Config{Endpoints: []string{ours.addr}})
	if _, err := c.Status(soon(t), other.addr); err != nil || len(ours.got()) != 0 || len(other.got()) != 1 {
		t.Errorf("%v; ours got %d requests, the other one %d", err, len(ours.got()), len(other.got()))
	}
	if _, err := c.Status(soon(t), refusing(t)); status.Code(err) != codes.Unavailable {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := c.Status(soon(t), "ftp://h"); err == nil || !strings.Contains(err.Error(), `"ftp"`) {
		t.Errorf("wrong endpoint: %v", err)
	}
}

func TestDial(t *testing.T) {
	m := serve(t, answerEmpty)
	c := connect(t, clientv3.Config{Endpoints: []string{refusing(t)}})
	conn, err := c.Dial(m.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err = pb.NewKVClient(conn).Range(soon(t), &pb.RangeRequest{Key: []byte("k")}); err != nil {
		t.Error(err)
	}
	if conn, err = c.Dial(""); conn != nil || err == nil {
		t.Errorf("got %v, %v", conn, err)
	}
}

func TestMoveLeaderFindsTheLeader(t *testing.T) {
	follower := serve(t, answerError(rpctypes.ErrGRPCNotLeader))
	leader := serve(t, func(context.Context, any) (any, error) { return &pb.MoveLeaderResponse{}, nil })
	c := connect(t, clientv3.Config{Endpoints: []string{refusing(t), follower.addr, leader.addr}})
	if _, err := c.MoveLeader(soon(t), 7); err != nil {
		t.Error(err)
	}
	c.SetEndpoints(follower.addr)
	if _, err := c.MoveLeader(soon(t), 7); err != rpctypes.ErrNotLeader { //nolint:errorlint // it is promised to be bare
		t.Errorf("no leader: %v", err)
	}
	c.SetEndpoints(refusing(t), follower.addr)
	if _, err := c.MoveLeader(soon(t), 7); status.Code(err) != codes.Unavailable {
		t.Errorf("leader perhaps not there: %v", err)
	}
}

func TestAlarmDisarmOfAll(t *testing.T) {
	alarms := []*pb.AlarmMember{{MemberID: 1, Alarm: pb.AlarmType_NOSPACE}, {MemberID: 2, Alarm: pb.AlarmType_CORRUPT}}
	m := serve(t, func(_ context.Context, message any) (any, error) {
		request := message.(*pb.AlarmRequest)
		if request.GetAction() == pb.AlarmRequest_GET {
			return &pb.AlarmResponse{Alarms: alarms}, nil
		}
		return &pb.AlarmResponse{
			Header: &pb.ResponseHeader{Revision: 7},
			Alarms: []*pb.AlarmMember{{MemberID: request.GetMemberID(), Alarm: request.GetAlarm()}},
		}, nil
	})
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
	for _, all := range []*clientv3.AlarmMember{nil, {}} {
		got, err := c.AlarmDisarm(soon(t), all)
		if err != nil || got.Header.GetRevision() != 7 || len(got.Alarms) != 2 {
			t.Fatalf("got %v, %v", got, err)
		}
		for i, alarm := range got.Alarms {
			if alarm.GetMemberID() != alarms[i].GetMemberID() || alarm.GetAlarm() != alarms[i].GetAlarm() {
				t.Errorf("disarmed %v", alarm)
			}
		}
	}
}

// part is one of a snapshot, with how much is to come after it.
func part(text string, remaining uint64) *pb.SnapshotResponse {
	return &pb.SnapshotResponse{
		Header:         &pb.ResponseHeader{Revision: 7},
		Version:        "3.6.0",
		Blob:           []byte(text),
		RemainingBytes: remaining,
	}
}

// snapshots is a member that sends these parts and then ends with err.
func snapshots(t *testing.T, err error, parts ...*pb.SnapshotResponse) *member {
	t.Helper()
	m := serve(t, answerEmpty)
	m.snapshot = func(stream grpc.ServerStreamingServer[pb.SnapshotResponse]) error {
		for _, p := range parts {
			if lost := stream.Send(p); lost != nil {
				return lost
			}
		}
		return err
	}
	return m
}

func TestSnapshot(t *testing.T) {
	for _, test := range []struct {
		name  string
		err   error
		parts []*pb.SnapshotResponse
		text  string
		want  error
	}{
		{"whole", nil, []*pb.SnapshotResponse{part("one ", 6), part("", 6), part("two ", 2), part("3!", 0)}, "one two 3!", nil},
		{"empty", nil, []*pb.SnapshotResponse{part("", 0)}, "", nil},
		{"cut off", nil, []*pb.SnapshotResponse{part("one ", 6), part("two ", 2)}, "one two ", io.ErrUnexpectedEOF},
		{"broken off", rpctypes.ErrGRPCCorrupt, []*pb.SnapshotResponse{part("one ", 6)}, "one ", rpctypes.ErrCorrupt},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := snapshots(t, test.err, test.parts...)
			c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
			response, err := c.SnapshotWithVersion(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Snapshot.Close()
			if response.Version != "3.6.0" || response.Header.GetRevision() != 7 {
				t.Errorf("version %q, revision %d", response.Version, response.Header.GetRevision())
			}
			text, err := io.ReadAll(response.Snapshot)
			if string(text) != test.text || !errors.Is(err, test.want) {
				t.Errorf("read %q, %v", text, err)
			}
			if n, again := response.Snapshot.Read(make([]byte, 1)); n != 0 || test.want != nil && !errors.Is(again, test.want) {
				t.Errorf("then read %d bytes, %v", n, again)
			}
		})
	}
}

func TestSnapshotBeginsElsewhere(t *testing.T) {
	bad := snapshots(t, status.Error(codes.Unavailable, "down"))
	good := snapshots(t, nil, part("all", 0))
	c := connect(t, clientv3.Config{Endpoints: []string{bad.addr, good.addr}, DialTimeout: patience})
	for range 4 {
		r, err := c.Snapshot(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); string(text) != "all" || err != nil {
			t.Errorf("read %q, %v", text, err)
		}
		r.Close()
	}
}

func TestSnapshotThatDoesNotBegin(t *testing.T) {
	for _, test := range []struct {
		err, want error
	}{
		{rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrPermissionDenied},
		{nil, io.ErrUnexpectedEOF},
	} {
		c := connect(t, clientv3.Config{Endpoints: []string{snapshots(t, test.err).addr}})
		if r, err := c.Snapshot(soon(t)); r != nil || !errors.Is(err, test.want) {
			t.Errorf("got %v, %v", r, err)
		}
	}
}

func TestSnapshotWithAToken(t *testing.T) {
	g := new(gate)
	m := serve(t, g.answer)
	var opened atomic.Int32
	m.snapshot = func(stream grpc.ServerStreamingServer[pb.SnapshotResponse]) error {
		opened.Add(1)
		if _, err := g.answer(stream.Context(), &pb.RangeRequest{}); err != nil {
			return err
		}
		return stream.Send(part("all", 0))
	}
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}, Username: "root", Password: "secret"})
	for want := range int32(2) {
		r, err := c.Snapshot(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if got := opened.Load(); got != 1+2*want {
			t.Errorf("opened %d times", got)
		}
		g.expire()
	}
}

// TestSnapshotEndsWithContext has a reader that gives up.
func TestSnapshotEndsWithContext(t *testing.T) {
	for _, how := range []string{"cancel", "Close"} {
		t.Run(how, func(t *testing.T) {
			m := serve(t, answerEmpty)
			ended := make(chan struct{})
			m.snapshot = func(stream grpc.ServerStreamingServer[pb.SnapshotResponse]) error {
				defer close(ended)
				if err := stream.Send(part("one", 9)); err != nil {
					return err
				}
				<-stream.Context().Done()
				return nil
			}
			c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
			ctx, cancel := context.WithCancel(soon(t))
			defer cancel()
			r, err := c.Snapshot(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = io.ReadFull(r, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			if how == "cancel" {
				cancel()
			} else if err = r.Close(); err != nil {
				t.Error(err)
			}
			if _, err = r.Read(make([]byte, 1)); err != context.Canceled { //nolint:errorlint // it is promised to be bare
				t.Errorf("got error %v", err)
			}
			<-ended
			r.Close()
		})
	}
}
