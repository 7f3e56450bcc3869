package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

// event writes down an event: what happened, to which key, at which revision,
// and if it is known, what was there.
func event(e *clientv3.Event) string {
	what := "delete"
	switch {
	case e.IsCreate():
		what = "create"
	case e.IsModify():
		what = "modify"
	}
	text := fmt.Sprintf("%s %s at %d", what, pairs(e.Kv), e.Kv.ModRevision)
	if e.PrevKv != nil {
		text += ", was " + pairs(e.PrevKv)
	}
	return text
}

// readEvents reads a watch until it has n events.
func readEvents(tb testing.TB, watch clientv3.WatchChan, n int) []string {
	tb.Helper()
	var all []string
	for len(all) < n {
		r, open := <-watch
		if err := r.Err(); err != nil || !open {
			tb.Fatalf("the watch ended: %v after %d of %d events", err, len(all), n)
		}
		for _, e := range r.Events {
			all = append(all, event(e))
		}
	}
	return all
}

func TestOptionsOfWatches(t *testing.T) {
	type options []clientv3.OpOption
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		watches := map[string]struct {
			key  string
			opts options
			want []string
		}{
			"key":       {"k/a", nil, []string{"create k/a=1 at 2", "modify k/a=2 at 4", "delete k/a at 5"}},
			"prefix":    {"k/", options{clientv3.WithPrefix()}, []string{"create k/a=1 at 2", "create k/b=1 at 3", "modify k/a=2 at 4", "delete k/a at 5", "delete k/b at 5"}},
			"range":     {"k/b", options{clientv3.WithRange("k/c")}, []string{"create k/b=1 at 3", "delete k/b at 5"}},
			"from key":  {"k/b", options{clientv3.WithFromKey()}, []string{"create k/b=1 at 3", "delete k/b at 5", "create z=1 at 6"}},
			"revision":  {"k/", options{clientv3.WithPrefix(), clientv3.WithRev(4)}, []string{"modify k/a=2 at 4", "delete k/a at 5", "delete k/b at 5"}},
			"no puts":   {"k/", options{clientv3.WithPrefix(), clientv3.WithFilterPut()}, []string{"delete k/a at 5", "delete k/b at 5"}},
			"no delete": {"k/", options{clientv3.WithPrefix(), clientv3.WithFilterDelete()}, []string{"create k/a=1 at 2", "create k/b=1 at 3", "modify k/a=2 at 4"}},
			"before":    {"k/a", options{clientv3.WithPrevKV()}, []string{"create k/a=1 at 2", "modify k/a=2 at 4, was k/a=1", "delete k/a at 5, was k/a=2"}},
		}
		began := map[string]clientv3.WatchChan{}
		for name, w := range watches {
			began[name] = cli.Watch(s.ctx, w.key, w.opts...)
		}
		puts := [][2]string{{"k/a", "1"}, {"k/b", "1"}, {"k/a", "2"}}
		for _, kv := range puts {
			must[*clientv3.PutResponse](s)(cli.Put(s.ctx, kv[0], kv[1]))
		}
		must[*clientv3.DeleteResponse](s)(cli.Delete(s.ctx, "k/", clientv3.WithPrefix()))
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "z", "1"))
		for name, w := range watches {
			want(s, name, readEvents(s, began[name], len(w.want)), w.want)
			// The same again, from the history.
			opts := append(options{clientv3.WithRev(2)}, w.opts...)
			want(s, name+", later", readEvents(s, cli.Watch(s.ctx, w.key, opts...), len(w.want)), w.want)
		}
	})
}

func TestNoticesOfWatches(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		watch := cli.Watch(s.ctx, "k", clientv3.WithCreatedNotify())
		if r := <-watch; !r.Created || r.Err() != nil {
			s.Fatalf("the first response: %+v", r)
		}
		last := must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "other", "")).Header.Revision
		// Servers may answer only when they have caught up, and from 3.4 on they say so.
		for progress := false; !progress; {
			check(s, cli.RequestProgress(s.ctx))
			select {
			case r := <-watch:
				progress = r.IsProgressNotify() && r.Header.Revision >= last
			case <-time.After(100 * time.Millisecond):
			case <-s.ctx.Done():
				s.Fatal("no progress notification")
			}
		}
	})
}

func TestProgressComesUnasked(t *testing.T) {
	// Servers of 3.4 have the flag under an older name.
	onEach(t, harness.Options{}, func(s story) {
		flag := "--experimental-watch-progress-notify-interval=200ms"
		if s.since("3.6") {
			flag = "--watch-progress-notify-interval=200ms"
		}
		s.c = harness.Start(s, s.server, harness.Options{Flags: []string{flag}})
		watch := s.client().Watch(s.ctx, "k", clientv3.WithProgressNotify())
		for range 3 {
			if r := <-watch; !r.IsProgressNotify() {
				s.Fatalf("got %+v", r)
			}
		}
	})
}

func TestWatchesEndWithACompaction(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		for i := range 5 {
			must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k", fmt.Sprint(i)))
		}
		must[*clientv3.CompactResponse](s)(cli.Compact(s.ctx, 4))
		watch := cli.Watch(s.ctx, "k", clientv3.WithRev(2))
		r := <-watch
		if !errors.Is(r.Err(), rpctypes.ErrCompacted) || r.CompactRevision < 4 || !r.Canceled {
			s.Errorf("got %+v, %v", r, r.Err())
		}
		if _, open := <-watch; open {
			s.Error("the watch goes on")
		}
		want(s, "events from there on", readEvents(s, cli.Watch(s.ctx, "k", clientv3.WithRev(r.CompactRevision)), 6-int(r.CompactRevision)+1)[0],
			fmt.Sprintf("modify k=%d at %d", r.CompactRevision-2, r.CompactRevision))
	})
}

func TestWatchesEndWithTheirContext(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		other := cli.Watch(s.ctx, "k")
		for range 20 {
			ctx, cancel := context.WithCancel(s.ctx)
			watch := cli.Watch(ctx, "k")
			cancel()
			for r := range watch {
				s.Errorf("after the end: %+v", r)
			}
		}
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k", "1"))
		want(s, "the other watch", readEvents(s, other, 1), []string{"create k=1 at 2"})
	})
}

// A transaction of 5 MB is more than a server says at one time.
func TestFragmentsBecomeOneResponse(t *testing.T) {
	onEach(t, harness.Options{Flags: []string{"--max-request-bytes=10000000"}}, func(s story) {
		cli := s.client(func(c *clientv3.Config) { c.MaxCallSendMsgSize = 20_000_000 })
		watch := cli.Watch(s.ctx, "k/", clientv3.WithPrefix(), clientv3.WithFragment())
		value := strings.Repeat("v", 500_000)
		var ops []clientv3.Op
		for i := range 10 {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("k/%d", i), value))
		}
		must[*clientv3.TxnResponse](s)(cli.Txn(s.ctx).Then(ops...).Commit())
		r := <-watch
		if len(r.Events) != 10 || r.Err() != nil {
			s.Errorf("%d events, %v", len(r.Events), r.Err())
		}
		for i, e := range r.Events {
			if string(e.Kv.Key) != fmt.Sprintf("k/%d", i) || len(e.Kv.Value) != len(value) {
				s.Errorf("event %d: key %s, %d bytes", i, e.Kv.Key, len(e.Kv.Value))
			}
		}
	})
}
