package clientv3_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// modelStore is a store with a history, and servers of it that fail at any point.
type modelStore struct {
	random *rand.Rand // guarded by mu

	mu        sync.Mutex // guards the fields below
	events    []*mvccpb.Event
	revision  int64
	compacted int64 // the first revision that is left
	faults    bool
	changed   chan struct{} // closed with each change
}

func newModelStore(random *rand.Rand) *modelStore {
	return &modelStore{random: random, revision: 1, compacted: 1, faults: true, changed: make(chan struct{})}
}

// chance is true once in n times, and never when the faults have ended.
func (s *modelStore) chance(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults && s.random.IntN(n) == 0
}

func (s *modelStore) below(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

// announce needs mu held.
func (s *modelStore) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// txn changes some keys in one revision.
func (s *modelStore) txn(keys []string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision++
	for _, key := range keys {
		event := put(key, s.revision)
		event.Kv.Value = value
		if s.random.IntN(4) == 0 {
			event.Type, event.Kv.Value = mvccpb.Event_DELETE, nil
		}
		s.events = append(s.events, event)
	}
	s.announce()
}

func (s *modelStore) compact(revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compacted = max(s.compacted, revision)
	s.announce()
}

func (s *modelStore) endFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = false
	s.announce()
}

// since gives what happened in the watched range from revision first on.
func (s *modelStore) since(create *pb.WatchCreateRequest, first int64) []*mvccpb.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var matching []*mvccpb.Event
	for _, event := range s.events {
		if event.Kv.ModRevision >= first && inRange(create, event) {
			matching = append(matching, event)
		}
	}
	return matching
}

func inRange(create *pb.WatchCreateRequest, event *mvccpb.Event) bool {
	key, from, to := string(event.Kv.Key), string(create.Key), string(create.RangeEnd)
	for _, filter := range create.Filters {
		if int(filter) == int(event.Type) {
			return false
		}
	}
	switch to {
	case "":
		return key == from
	case "\x00":
		return key >= from
	default:
		return key >= from && key < to
	}
}

func (s *modelStore) state() (revision, compacted int64, changed chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision, s.compacted, s.changed
}

// modelWatch is a watch as the server of one stream knows it.
type modelWatch struct {
	create *pb.WatchCreateRequest
	next   int64
}

// modelServer serves one stream. Within a stream it is always right; it just ends
// when it likes, answers when it likes, and sends as much at a time as it likes.
type modelServer struct {
	store    *modelStore
	stream   *serverStream[pb.WatchRequest, pb.WatchResponse]
	requests chan *pb.WatchRequest
	creates  []*pb.WatchCreateRequest // not answered yet
	watches  []*modelWatch
	progress bool // wanted
}

// serve ends with the stream.
func (s *modelStore) serve(stream *serverStream[pb.WatchRequest, pb.WatchResponse]) {
	server := &modelServer{store: s, stream: stream, requests: make(chan *pb.WatchRequest)}
	var receiving sync.WaitGroup
	defer receiving.Wait()
	receiving.Go(func() {
		defer close(server.requests)
		for {
			request, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case server.requests <- request:
			case <-stream.Context().Done():
				return
			}
		}
	})
	if s.chance(10) || !server.run() {
		stream.fail(unavailable("the model has broken the stream"))
	}
}

// run is false if the server is to break the stream.
func (m *modelServer) run() bool {
	for {
		_, _, changed := m.store.state()
		busy, intact := m.step()
		if !intact || m.store.chance(40) {
			return false
		}
		if busy {
			changed = closedChannel()
		}
		select {
		case request, open := <-m.requests:
			if !open {
				return true
			}
			m.note(request)
		case <-changed:
		case <-m.stream.Context().Done():
			return true
		}
	}
}

func closedChannel() chan struct{} {
	closed := make(chan struct{})
	close(closed)
	return closed
}

func (m *modelServer) note(request *pb.WatchRequest) {
	switch {
	case request.GetCreateRequest() != nil:
		m.creates = append(m.creates, request.GetCreateRequest())
	case request.GetProgressRequest() != nil:
		m.progress = true
	default:
		id := request.GetCancelRequest().WatchId
		m.watches = slices.DeleteFunc(m.watches, func(w *modelWatch) bool { return w.create.WatchId == id })
		m.send(&pb.WatchResponse{WatchId: id, Canceled: true})
	}
}

func (m *modelServer) send(reply *pb.WatchResponse) bool {
	revision, _, _ := m.store.state()
	reply.Header = at(revision)
	return m.stream.Send(reply) == nil
}

// step does one thing of those there are to do, if any.
func (m *modelServer) step() (busy, intact bool) {
	if len(m.creates) > 0 && !m.store.chance(3) {
		return true, m.answerCreate()
	}
	if len(m.watches) == 0 {
		return false, true
	}
	first := m.store.below(len(m.watches))
	for i := range m.watches {
		one := m.watches[(first+i)%len(m.watches)]
		if events := m.store.since(one.create, one.next); len(events) > 0 {
			return true, m.sendSome(one, events)
		}
		m.catchUp(one)
	}
	if m.progress {
		m.progress = false
		return false, m.send(&pb.WatchResponse{WatchId: -1})
	}
	if m.store.chance(4) { // All have caught up: there are no events that match.
		return false, m.send(&pb.WatchResponse{WatchId: m.watches[first].create.WatchId})
	}
	return len(m.creates) > 0, true
}

// catchUp notes that up to now nothing has happened that matches.
func (m *modelServer) catchUp(one *modelWatch) {
	revision, _, _ := m.store.state()
	if len(m.store.since(one.create, one.next)) == 0 {
		one.next = max(one.next, revision)
	}
}

// answerCreate takes a watch, not always the one that was asked for first.
func (m *modelServer) answerCreate() bool {
	i := m.store.below(len(m.creates))
	create := m.creates[i]
	m.creates = slices.Delete(m.creates, i, i+1)
	revision, compacted, _ := m.store.state()
	if !m.send(&pb.WatchResponse{WatchId: create.WatchId, Created: true}) {
		return false
	}
	one := &modelWatch{create: create, next: create.StartRevision}
	if one.next == 0 {
		one.next = revision + 1
	}
	if one.next < compacted {
		return m.send(&pb.WatchResponse{WatchId: create.WatchId, Canceled: true, CompactRevision: compacted})
	}
	m.watches = append(m.watches, one)
	return true
}

// sendSome sends some whole revisions, in as many fragments as it likes.
func (m *modelServer) sendSome(one *modelWatch, events []*mvccpb.Event) bool {
	last := events[m.store.below(min(len(events), 20))].Kv.ModRevision
	for len(events) > 0 && events[0].Kv.ModRevision <= last {
		size := 1
		for size < len(events) && events[size].Kv.ModRevision <= last && (size < 3 || m.store.below(5) > 0) {
			size++
		}
		more := size < len(events) && events[size].Kv.ModRevision <= last
		if !m.send(&pb.WatchResponse{WatchId: one.create.WatchId, Events: events[:size], Fragment: more}) {
			return false
		}
		if m.store.chance(30) {
			return false
		}
		events = events[size:]
	}
	one.next = last + 1
	return true
}

// accept serves all streams until the members are closed.
func (s *modelStore) accept(c *streamMembers, serving *sync.WaitGroup, stop <-chan struct{}) {
	for {
		select {
		case stream := <-c.watches:
			serving.Go(func() { s.serve(stream) })
		case <-stop:
			return
		}
	}
}

// pauses are the times that a slow reader takes.
func (s *modelStore) pause(upTo time.Duration) {
	<-time.After(time.Duration(s.below(int(upTo))))
}
