package moving

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/client/move"
)

// Programs write while a cluster moves from etcd 3.5 to 3.7. They are stopped for
// the switch, and go on with the bridge: nothing that was acknowledged is lost.
func TestNothingIsLost(t *testing.T) {
	st := newStage(t, 1)
	p := st.startPrograms()
	p.waitForWrites(500)
	order := st.watchOrder()
	m := st.start(nil)
	st.caughtUp(m)
	p.waitForWrites(500)
	st.switchOver(p, m)
	order.end()
}

// switchOver stops the programs, switches, lets them go on with the new store, and
// checks.
func (st *stage) switchOver(p *programs, m *move.Move) move.Report {
	st.Helper()
	var report move.Report
	jobsBefore := 0
	p.whileStopped(func() client.KeysAPI {
		report = st.mustSwitch(m)
		jobsBefore = len(p.jobs)
		return st.to
	})
	p.waitForWrites(300)
	p.check(jobsBefore)
	return report
}

// The mover is ended in the middle and run again, a member of each side is killed, and
// the mover is cut off until the history is lost: nothing is lost.
func TestNothingIsLostUnderFaults(t *testing.T) {
	st := newStage(t, 3)
	p := st.startPrograms()
	p.waitForWrites(300)
	first := st.start(nil)
	harness.WaitFor(t, storyTimeout, func() error {
		if first.Progress().Copied < 20 {
			return errors.New("nothing is copied yet")
		}
		return nil
	})
	first.Close() // as by kill -9: what is done is done

	m := st.start(&move.Options{Retry: func(err error) { t.Logf("tried again: %v", err) }})
	st.caughtUp(m)
	for _, member := range []*harness.Member{st.old.Member(0), st.new.Member(0)} {
		member.Kill()
		p.waitForWrites(300)
		if err := member.Restart(st.ctx); err != nil {
			t.Fatal(err)
		}
	}
	st.line.cut()
	p.waitForWrites(1500) // more than the history of v2 has
	st.line.mendIt()
	p.waitForWrites(300)
	if report := st.switchOver(p, m); report.Resyncs == 0 {
		t.Error("history was never lost")
	}
}

// An order watches the target: values of one key only grow.
type order struct {
	cancel context.CancelFunc
	all    sync.WaitGroup
}

func (st *stage) watchOrder() *order {
	ctx, cancel := context.WithCancel(st.ctx)
	o := &order{cancel: cancel}
	st.Cleanup(o.end)
	o.all.Go(func() {
		last := map[string]int{}
		for event, err := range client.Events(ctx, st.to, "/app", &client.EventsOptions{Recursive: true, Snapshot: true}) {
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				st.Errorf("the target's events: %v", err)
				return
			case !event.IsWrite() || !strings.HasSuffix(event.Node.Key, "/value"):
				continue
			}
			n, err := strconv.Atoi(event.Node.Value)
			if err != nil || n < last[event.Node.Key] {
				st.Errorf("%s became %s after %d", event.Node.Key, event.Node.Value, last[event.Node.Key])
			}
			last[event.Node.Key] = n
		}
	})
	return o
}

func (o *order) end() {
	o.cancel()
	o.all.Wait()
}
