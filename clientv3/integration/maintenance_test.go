package integration

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

func TestMaintenanceOfOneMember(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli, ep := s.client(), s.c.Endpoints()[0]
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k", strings.Repeat("v", 100_000)))
		st := must[*clientv3.StatusResponse](s)(cli.Status(s.ctx, ep))
		if st.Version != s.server.Version || st.Leader != st.Header.MemberId || st.DbSize == 0 || st.IsLearner {
			s.Errorf("status: %+v", st)
		}
		if st = must[*clientv3.StatusResponse](s)(cli.Status(s.ctx, strings.TrimPrefix(ep, "http://"))); st.Version != s.server.Version {
			s.Errorf("status without a scheme: %+v", st)
		}
		must[*clientv3.DefragmentResponse](s)(cli.Defragment(s.ctx, ep))

		hash := must[*clientv3.HashKVResponse](s)(cli.HashKV(s.ctx, ep, 0))
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k", "w"))
		if later := must[*clientv3.HashKVResponse](s)(cli.HashKV(s.ctx, ep, 0)); later.Hash == hash.Hash {
			s.Error("the hash is the same after a put")
		}
		if then := must[*clientv3.HashKVResponse](s)(cli.HashKV(s.ctx, ep, 2)); then.Hash != hash.Hash {
			s.Errorf("the hash as of then is %x, was %x", then.Hash, hash.Hash)
		}
		if _, err := cli.HashKV(s.ctx, ep, 99); !errors.Is(err, rpctypes.ErrFutureRev) {
			s.Errorf("hash of the future: %v", err)
		}
	})
}

func TestSnapshot(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		for _, key := range []string{"a", "b", "c"} {
			must[*clientv3.PutResponse](s)(cli.Put(s.ctx, key, strings.Repeat("v", 300_000)))
		}
		var snapshot *clientv3.SnapshotResponse
		harness.WaitFor(s, time.Minute, func() error { // A server that has just begun has no storage version yet.
			snapshot = must[*clientv3.SnapshotResponse](s)(cli.SnapshotWithVersion(s.ctx))
			if (snapshot.Version != "") != s.since("3.6") {
				check(s, snapshot.Snapshot.Close())
				return fmt.Errorf("version %q", snapshot.Version)
			}
			return nil
		})
		content := must[[]byte](s)(io.ReadAll(snapshot.Snapshot))
		check(s, snapshot.Snapshot.Close())
		// A database and its digest, which pages of 512 bytes tell apart.
		if len(content) < 900_000 || len(content)%512 != sha256.Size {
			s.Fatalf("%d bytes", len(content))
		}
		db, digest := content[:len(content)-sha256.Size], content[len(content)-sha256.Size:]
		if sum := sha256.Sum256(db); string(sum[:]) != string(digest) {
			s.Error("the digest is of other bytes")
		}
		half := must[io.ReadCloser](s)(cli.Snapshot(s.ctx))
		must[int](s)(io.ReadFull(half, make([]byte, 100)))
		check(s, half.Close()) // The rest is of no interest.
	})
}

func TestAlarms(t *testing.T) {
	onEach(t, harness.Options{Flags: []string{"--quota-backend-bytes=1000000"}}, func(s story) {
		cli := s.client()
		want(s, "alarms", len(must[*clientv3.AlarmResponse](s)(cli.AlarmList(s.ctx)).Alarms), 0)
		for {
			_, err := cli.Put(s.ctx, "k", strings.Repeat("v", 100_000))
			if errors.Is(err, rpctypes.ErrNoSpace) {
				break
			}
			check(s, err)
		}
		list := must[*clientv3.AlarmResponse](s)(cli.AlarmList(s.ctx))
		if len(list.Alarms) != 1 || list.Alarms[0].Alarm != etcdserverpb.AlarmType_NOSPACE {
			s.Fatalf("alarms: %v", list.Alarms)
		}
		alarm := &clientv3.AlarmMember{MemberID: list.Alarms[0].MemberID, Alarm: list.Alarms[0].Alarm}
		want(s, "disarmed", len(must[*clientv3.AlarmResponse](s)(cli.AlarmDisarm(s.ctx, alarm)).Alarms), 1)
		want(s, "alarms in the end", len(must[*clientv3.AlarmResponse](s)(cli.AlarmList(s.ctx)).Alarms), 0)
		must[*clientv3.AlarmResponse](s)(cli.AlarmDisarm(s.ctx, &clientv3.AlarmMember{}))
	})
}

func TestMoveLeader(t *testing.T) {
	onEach(t, harness.Options{Members: 3}, func(s story) {
		cli := s.client()
		before := must[*clientv3.StatusResponse](s)(cli.Status(s.ctx, s.c.Endpoints()[0])).Leader
		var other uint64
		for _, m := range must[*clientv3.MemberListResponse](s)(cli.MemberList(s.ctx)).Members {
			if m.ID != before {
				other = m.ID
			}
		}
		must[*clientv3.MoveLeaderResponse](s)(cli.MoveLeader(s.ctx, other))
		harness.WaitFor(s, storyTimeout, func() error {
			st, err := cli.Status(s.ctx, s.c.Endpoints()[0])
			if err == nil && st.Leader != other {
				err = errors.New("another leader")
			}
			return err
		})
	})
}

// An upgrade by more than one minor version is refused everywhere; 3.4 does not
// know the call.
func TestDowngrade(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		_, err := s.client().Downgrade(s.ctx, clientv3.DowngradeValidate, "3.0.0")
		switch {
		case !s.since("3.5"):
			want(s, "code", status.Code(err), codes.Unimplemented)
		case !errors.Is(err, rpctypes.ErrInvalidDowngradeTargetVersion):
			s.Errorf("got %v", err)
		}
	})
}
