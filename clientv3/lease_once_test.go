package clientv3_test

import (
	"context"
	"errors"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/clientv3"
)

type onceResult struct {
	resp *clientv3.LeaseKeepAliveResponse
	err  error
}

func keepAliveOnce(ctx context.Context, cli *clientv3.Client, id clientv3.LeaseID) <-chan onceResult {
	done := make(chan onceResult, 1)
	go func() {
		resp, err := cli.KeepAliveOnce(ctx, id)
		done <- onceResult{resp, err}
	}()
	return done
}

func TestKeepAliveOnce(t *testing.T) {
	withConfiguredMembers(t, withUser, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		done := keepAliveOnce(t.Context(), cli, 7)
		stopped := c.acceptRenewals(t)
		stopped.wantRenewal(7) // and says nothing
		began := time.Now()
		server := c.acceptRenewals(t)
		wantElapsed(t, began, time.Second, 2*time.Second)
		if server.member == stopped.member {
			t.Errorf("the client is back at %s, which stands still", server.member)
		}
		server.wantRenewal(7)
		server.fail(unavailable("gone"))
		server = c.acceptRenewals(t)
		server.fail(rpctypes.ErrGRPCInvalidAuthToken)
		server = c.acceptRenewals(t)
		if server.token() != "t2" {
			t.Errorf("the stream has the token %q, want t2", server.token())
		}
		server.renew(7, 30)
		if got := <-done; got.err != nil || got.resp.ID != 7 || got.resp.TTL != 30 || got.resp.Revision != 1 {
			t.Errorf("got %v, %v", got.resp, got.err)
		}
	}, "m0:1", "m1:1")
}

func TestKeepAliveOnceFails(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		done := keepAliveOnce(t.Context(), cli, 7)
		c.acceptRenewals(t).renew(7, 0)
		if got := <-done; !errors.Is(got.err, rpctypes.ErrLeaseNotFound) {
			t.Errorf("without such a lease: %v, %v", got.resp, got.err)
		}

		done = keepAliveOnce(t.Context(), cli, 7)
		c.acceptRenewals(t).fail(rpctypes.ErrGRPCPermissionDenied)
		if got := <-done; !errors.Is(got.err, rpctypes.ErrPermissionDenied) {
			t.Errorf("without permission: %v, %v", got.resp, got.err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		silent, stop := context.WithCancel(t.Context())
		defer stop()
		go silence(silent, c)
		done = keepAliveOnce(ctx, cli, 7)
		if got := <-done; got.err != context.DeadlineExceeded { //nolint:errorlint // it is to be the error itself
			t.Errorf("without an answer: %v, %v", got.resp, got.err)
		}
		wantElapsed(t, began, 5*time.Second, 5*time.Second)
	}, "m0:1", "m1:1")
}

// TestGrantMakesOneLease is about an answer that is lost: the lease is there, and
// is found by the ID that the client chose.
func TestGrantMakesOneLease(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		var granted []int64
		c.calls.grant = func(r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
			if r.TTL != 30 || r.ID <= 0 {
				t.Errorf("the server was asked for %v", r)
			}
			if granted = append(granted, r.ID); len(granted) == 1 {
				return nil, unavailable("the answer is lost")
			}
			return nil, rpctypes.ErrGRPCDuplicateKey // not yet, see below
		}
		_, err := cli.Grant(t.Context(), 30)
		if !errors.Is(err, rpctypes.ErrDuplicateKey) || len(granted) != 2 {
			t.Fatalf("asked for %v, got %v", granted, err)
		}
		if granted[0] != granted[1] {
			t.Errorf("asked for two leases, %v", granted)
		}

		granted = nil
		c.calls.grant = func(r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
			if granted = append(granted, r.ID); len(granted) == 1 {
				return nil, unavailable("the answer is lost")
			}
			return nil, rpctypes.ErrGRPCLeaseExist
		}
		done := make(chan *clientv3.LeaseGrantResponse, 1)
		go func() {
			resp, errGrant := cli.Grant(t.Context(), 30)
			if errGrant != nil {
				t.Error(errGrant)
			}
			done <- resp
		}()
		server := c.acceptRenewals(t)
		server.renew(granted[0], 40)
		if resp := <-done; resp == nil || resp.ID != clientv3.LeaseID(granted[0]) || resp.TTL != 40 || resp.ResponseHeader == nil {
			t.Errorf("got %v, want lease %d", resp, granted[0])
		}

		c.calls.grant = func(r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
			return &pb.LeaseGrantResponse{Header: at(5), ID: r.ID, TTL: r.TTL}, nil
		}
		resp, err := cli.Grant(t.Context(), 20)
		if err != nil || resp.TTL != 20 || resp.ID <= 0 || resp.Revision != 5 {
			t.Errorf("got %v, %v", resp, err)
		}
	}, "m0:1", "m1:1")
}
