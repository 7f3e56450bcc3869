// Package moving moves live clusters of etcd 3.5 with v2 data to etcd 3.7, while
// programs write all the time.
package moving

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/client/move"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// storyTimeout bounds the calls of one test, so that a hang is a failure.
const storyTimeout = 4 * time.Minute

func TestMain(m *testing.M) { harness.Main(m, 1) }

// A stage has the cluster that is left, and the one that is moved to.
type stage struct {
	*testing.T
	ctx  context.Context  // bounds all calls
	old  *harness.Cluster // of three members
	new  *harness.Cluster
	from client.KeysAPI // of the mover, over the line
	to   client.KeysAPI
	line *line
}

// newStage starts both; members are those of the new cluster.
func newStage(t *testing.T, members int) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	t.Cleanup(cancel)
	v2, err := harness.BuildEtcd35(ctx)
	if err != nil {
		t.Fatal(err)
	}
	v3, err := harness.BuildEtcd37(ctx)
	if err != nil {
		t.Fatal(err)
	}
	fast := []string{"--unsafe-no-fsync"}
	st := &stage{T: t, ctx: ctx, line: &line{open: true}, old: harness.Start(t, v2, harness.Options{Members: 3, Flags: fast})}
	st.new = harness.Start(t, v3, harness.Options{Members: members, Flags: fast})
	st.from = st.native(&http.Transport{DialContext: st.line.dial})
	opened, err := keysapi.Open(ctx, client.Config{Endpoints: st.new.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	if opened.V3 == nil {
		t.Fatal("etcd 3.7 has no v2 API, and Open found one")
	}
	st.to = opened.Keys
	return st
}

// native gives the v2 API of the old cluster.
func (st *stage) native(transport *http.Transport) client.KeysAPI {
	st.Helper()
	st.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(client.Config{Endpoints: st.old.Endpoints(), Transport: transport})
	if err != nil {
		st.Fatal(err)
	}
	return client.NewKeysAPI(c)
}

func (st *stage) start(opts *move.Options) *move.Move {
	st.Helper()
	m, err := move.Start(st.ctx, st.from, st.to, opts)
	if err != nil {
		st.Fatal(err)
	}
	st.Cleanup(m.Close)
	return m
}

func (st *stage) caughtUp(m *move.Move) {
	st.Helper()
	if err := m.CaughtUp(st.ctx); err != nil {
		st.Fatal(err)
	}
}

func (st *stage) mustSwitch(m *move.Move) move.Report {
	st.Helper()
	began := time.Now()
	report, err := m.Switch(st.ctx)
	if err != nil {
		st.Fatal(err)
	}
	st.Logf("switched in %v: %+v", time.Since(began).Round(time.Millisecond), report)
	if report.TotalLate > 0 || report.TotalRefused > 0 {
		st.Errorf("late or refused: %+v", report)
	}
	return report
}

// A line is what the mover's connections to the old cluster go over.
type line struct {
	mu    sync.Mutex // guards the fields below
	open  bool
	conns []net.Conn
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open {
		return nil, net.ErrClosed
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err == nil {
		l.conns = append(l.conns, conn)
	}
	return conn, err
}

// cut ends all connections, and lets no others be made.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = false
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.conns = nil
}

func (l *line) mendIt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
}
