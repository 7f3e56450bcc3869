package clientv3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/clientv3"
)

func TestWrongConfigs(t *testing.T) {
	at := []string{"h:1"}
	for _, test := range []struct {
		name string
		cfg  clientv3.Config
		is   error
		says string
	}{
		{"no endpoints", clientv3.Config{}, clientv3.ErrNoAvailableEndpoints, ""},
		{"token and user", clientv3.Config{Endpoints: at, Token: "t", Username: "u"}, clientv3.ErrMutuallyExclusiveCfg, ""},
		{"token and password", clientv3.Config{Endpoints: at, Token: "t", Password: "secret"}, clientv3.ErrMutuallyExclusiveCfg, ""},
		{"password alone", clientv3.Config{Endpoints: at, Password: "secret"}, nil, "a Password without a Username"},
		{"negative send", clientv3.Config{Endpoints: at, MaxCallSendMsgSize: -1}, nil, "MaxCallSendMsgSize is negative: -1"},
		{"negative receive", clientv3.Config{Endpoints: at, MaxCallRecvMsgSize: -1}, nil, "MaxCallRecvMsgSize is negative: -1"},
		{"receive less", clientv3.Config{Endpoints: at, MaxCallRecvMsgSize: 1 << 20}, nil, "MaxCallSendMsgSize 2097152 is more than MaxCallRecvMsgSize 1048576"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := clientv3.New(test.cfg)
			if c != nil || err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, %v", c, err)
			}
		})
	}
}

func TestNewWaitsForAConnection(t *testing.T) {
	m := serve(t, answerEmpty)
	c := connect(t, clientv3.Config{Endpoints: []string{refusing(t), m.addr}, DialTimeout: patience})
	if got := c.ActiveConnection().GetState(); got != connectivity.Ready {
		t.Errorf("the connection is %v", got)
	}
}

// TestNewTellsWhyItHasNoConnection has endpoints that refuse, that never answer,
// and a program that does not want to wait any more.
func TestNewTellsWhyItHasNoConnection(t *testing.T) {
	refuse := func(context.Context, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		theirs.Close()
		return ours, nil
	}
	silent := func(ctx context.Context, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	open := func(cfg clientv3.Config, dial func(context.Context, string) (net.Conn, error)) error {
		cfg.Endpoints, cfg.DialTimeout = []string{"https://h:1"}, 2*time.Second
		cfg.DialOptions = []grpc.DialOption{grpc.WithContextDialer(dial)}
		begun := time.Now()
		c, err := clientv3.New(cfg)
		if c != nil || time.Since(begun) > 2*time.Second {
			t.Errorf("got %v after %v", c, time.Since(begun))
		}
		return err
	}
	synctest.Test(t, func(t *testing.T) {
		err := open(clientv3.Config{}, refuse)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "h:1: ") {
			t.Errorf("refused: %v", err)
		}
		if err = open(clientv3.Config{}, silent); err != context.DeadlineExceeded { //nolint:errorlint // it is promised to be bare
			t.Errorf("silent: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err = open(clientv3.Config{Context: ctx}, silent); err != context.DeadlineExceeded { //nolint:errorlint // it is promised to be bare
			t.Errorf("ended: %v", err)
		}
	})
}

func TestRejectOldCluster(t *testing.T) {
	version := func(v string) answerFunc {
		return func(context.Context, any) (any, error) { return &pb.StatusResponse{Version: v}, nil }
	}
	for v, want := range map[string]error{
		"3.3.27": clientv3.ErrOldCluster, "2.3.8": clientv3.ErrOldCluster, "3.2": clientv3.ErrOldCluster,
		"3.4.0": nil, "3.7.3": nil, "4.0.0": nil, "3.10.0-rc.1": nil, "": nil, "strange": nil,
	} {
		young, m := serve(t, version("3.7.3")), serve(t, version(v))
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{young.addr, m.addr}, RejectOldCluster: true})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", v, err)
		}
		if c != nil {
			c.Close()
		}
	}
	broken := serve(t, answerError(rpctypes.ErrGRPCCorrupt))
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{broken.addr}, RejectOldCluster: true})
	if c != nil || !errors.Is(err, rpctypes.ErrCorrupt) {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestClose(t *testing.T) {
	m := serve(t, answerEmpty)
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
	if _, err := c.Get(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if !errors.Is(c.Ctx().Err(), context.Canceled) {
		t.Error("Ctx goes on after Close")
	}
	for _, call := range kvCalls() {
		if err := call.do(soon(t), c); !clientv3.IsConnCanceled(err) {
			t.Errorf("%s after Close: %v", call.name, err)
		}
	}
}

func TestErrorsOfConnections(t *testing.T) {
	nobody := refusing(t)
	c := connect(t, clientv3.Config{Endpoints: []string{nobody}, MaxUnaryRetries: 1})
	_, err := c.Get(soon(t), "k")
	if status.Code(err) != codes.Unavailable {
		t.Errorf("got error %v", err)
	}
	got := c.Errors()
	if len(got) == 0 || !strings.Contains(fmt.Sprint(got), nobody) {
		t.Errorf("errors are %v", got)
	}
}

func TestNewCtxClient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := clientv3.NewCtxClient(ctx)
	if c.Ctx().Err() != nil || c.ActiveConnection() != nil || len(c.Endpoints()) != 0 {
		t.Error("it has more than a context")
	}
	if _, err := clientv3.NewKV(c).Get(ctx, "k"); !errors.Is(err, clientv3.ErrNoAvailableEndpoints) {
		t.Errorf("get: %v", err)
	}
	if _, err := clientv3.NewMaintenance(c).Snapshot(ctx); !errors.Is(err, clientv3.ErrNoAvailableEndpoints) {
		t.Errorf("snapshot: %v", err)
	}
	cancel()
	<-c.Ctx().Done()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestContextError(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	timed, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	of := func(code codes.Code) error { return status.Error(code, "said") }
	denied := rpctypes.ErrGRPCPermissionDenied
	strange := errors.New("strange")
	for _, test := range []struct {
		name string
		ctx  context.Context
		err  error
		want error
	}{
		{"none", canceled, nil, nil},
		{"etcd's", t.Context(), denied, rpctypes.ErrPermissionDenied},
		{"etcd's, too late", late, denied, rpctypes.ErrPermissionDenied},
		{"canceled", canceled, of(codes.Canceled), context.Canceled},
		{"broken off", canceled, of(codes.Unavailable), context.Canceled},
		{"late", late, of(codes.DeadlineExceeded), context.DeadlineExceeded},
		{"early", timed, of(codes.DeadlineExceeded), context.DeadlineExceeded},
		{"its own deadline", t.Context(), of(codes.DeadlineExceeded), of(codes.DeadlineExceeded)},
		{"closed", t.Context(), of(codes.Canceled), of(codes.Canceled)},
		{"down", timed, of(codes.Unavailable), of(codes.Unavailable)},
		{"strange", canceled, strange, strange},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := clientv3.ContextError(test.ctx, test.err); fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", test.want, test.want) {
				t.Errorf("got %v, not %v", got, test.want)
			}
		})
	}
}

func TestIsConnCanceled(t *testing.T) {
	for err, want := range map[error]bool{
		nil:              false,
		context.Canceled: true,
		status.Error(codes.Canceled, "the client connection is closing"): true,
		context.DeadlineExceeded:                false,
		status.Error(codes.Unavailable, "down"): false,
		rpctypes.ErrNoLeader:                    false,
	} {
		if got := clientv3.IsConnCanceled(err); got != want {
			t.Errorf("%v of %v", got, err)
		}
	}
}

func TestStrToPermissionType(t *testing.T) {
	for s, want := range map[string]clientv3.PermissionType{
		"read": clientv3.PermRead, "WRITE": clientv3.PermWrite, "ReadWrite": clientv3.PermReadWrite,
	} {
		if got, err := clientv3.StrToPermissionType(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	if _, err := clientv3.StrToPermissionType("execute"); err == nil || !strings.Contains(err.Error(), `"execute"`) {
		t.Errorf("got error %v", err)
	}
}
