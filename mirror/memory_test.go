package mirror_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/mirror"
)

const (
	manyNodes = 100_000
	perNode   = 145 // bytes besides key and value; the package says 130
)

// TestMemory measures what a node takes, right after the snapshot and when many
// have been replaced by events.
func TestMemory(t *testing.T) {
	before := heap()
	feed := newFeed(manyNodes)
	m, err := mirror.New(t.Context(), feed, "/m", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const payload = manyNodes * (16 + 32) // as allocated; the key has 15 bytes
	check := func(when string) {
		t.Helper()
		per := (int64(heap()) - int64(before) - payload) / manyNodes
		t.Logf("%s: %d bytes per node besides key and value", when, per)
		if per > perNode {
			t.Errorf("%s: %d bytes per node, at most %d wanted", when, per, perNode)
		}
	}
	check("after the snapshot")
	for i := range manyNodes / 10 {
		feed.events <- &client.Response{Action: "set", Node: &client.Node{
			Key: fmt.Sprintf("/m/node-%07d", i), Value: fmt.Sprintf("%032d", i), CreatedIndex: uint64(i + 11), ModifiedIndex: uint64(i + 11),
		}}
	}
	if err := m.WaitIndex(t.Context(), manyNodes/10+10); err != nil {
		t.Fatal(err)
	}
	check("after events")
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// feed is a KeysAPI that gives one snapshot, and events from a channel.
type feed struct {
	client.KeysAPI
	snapshot *client.Node
	events   chan *client.Response
}

func (f *feed) Get(context.Context, string, *client.GetOptions) (*client.Response, error) {
	node := f.snapshot
	f.snapshot = nil
	return &client.Response{Action: "get", Node: node, Index: 10}, nil
}

func (f *feed) Watcher(string, *client.WatcherOptions) client.Watcher { return f }

func (f *feed) Next(ctx context.Context) (*client.Response, error) {
	select {
	case event := <-f.events:
		return event, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// newFeed gives a snapshot whose nodes are parts of one slice, and their keys and
// values of one text, as a decoder may make them: if the mirror kept a part, all
// would stay in memory.
func newFeed(count int) *feed {
	text := make([]byte, 0, count*64)
	for i := range count {
		text = fmt.Appendf(text, "/m/node-%07d%032d", i, i)
	}
	all := string(text)
	each := len(all) / max(count, 1)
	dir := &client.Node{Key: "/m", Dir: true, CreatedIndex: 1, ModifiedIndex: 1}
	nodes := make([]client.Node, count)
	for i := range nodes {
		part := all[i*each:][:each]
		nodes[i] = client.Node{Key: part[:each-32], Value: part[each-32:], CreatedIndex: 2, ModifiedIndex: 2}
		dir.Nodes = append(dir.Nodes, &nodes[i])
	}
	return &feed{KeysAPI: newStore(10), snapshot: dir, events: make(chan *client.Response)}
}

// newBig mirrors manyNodes nodes in one directory.
func newBig(b *testing.B) (*mirror.Mirror, *feed) {
	b.Helper()
	f := newFeed(manyNodes)
	m, err := mirror.New(b.Context(), f, "/m", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.Close)
	return m, f
}

func BenchmarkGet(b *testing.B) {
	m, _ := newBig(b)
	b.ReportAllocs()
	for b.Loop() {
		if m.Get("/m/node-0077777") == nil {
			b.Fatal("not found")
		}
	}
}

func BenchmarkList(b *testing.B) {
	m, _ := newBig(b)
	b.ReportAllocs()
	for b.Loop() {
		if len(m.List("/m")) != manyNodes {
			b.Fatal("nodes are missing")
		}
	}
}

func BenchmarkApply(b *testing.B) {
	m, f := newBig(b)
	b.ReportAllocs()
	index := uint64(10)
	began := time.Now()
	for b.Loop() {
		index++
		f.events <- &client.Response{Action: "set", Node: &client.Node{
			Key: fmt.Sprintf("/m/node-%07d", index*7919%manyNodes), CreatedIndex: index, ModifiedIndex: index,
		}}
	}
	if err := m.WaitIndex(b.Context(), index); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(index-10)/time.Since(began).Seconds(), "events/s")
}
