package client_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// setTo returns a function for Modify that stores a value.
func setTo(value string) func(*client.Node) (string, error) {
	return func(*client.Node) (string, error) { return value, nil }
}

// toTheModel is a Modify of /a in a store that has the value "x" there, or with
// missing nothing, whose writes meet the faults.
type toTheModel struct {
	name    string
	missing bool
	faults  []storeFault
	before  func(s *modelStore, line string)
	change  func(*client.Node) (string, error)
	unique  bool
	vague   bool // the store does not tell what its events were

	lines []string
	want  func(error) bool // nil: no error
	left  string           // the value in the end; "-": no node
}

func onSet(do func(s *modelStore)) func(*modelStore, string) {
	done := false
	return func(s *modelStore, line string) {
		if !done && line == "set 1" {
			done = true
			do(s)
		}
	}
}

var errOfCaller = errors.New("the caller's own")

// modifications are new ones each time, as they count.
func modifications() []toTheModel {
	const get, set, del, watch = "quorum get", "set 1", "delete", "watch"
	one, remove := setTo("1"), func(*client.Node) (string, error) { return "", client.ErrDelete }
	// afterTheLoss does something between the lost write and its copy.
	afterTheLoss := func(do func(*modelStore)) func(*modelStore, string) {
		writes := 0
		return func(s *modelStore, line string) {
			if line == set {
				if writes++; writes == 2 {
					do(s)
				}
			}
		}
	}
	overwrite := func(value string) func(*modelStore) { return func(s *modelStore) { s.put("/a", value, 0) } }
	return []toTheModel{
		{name: "swap", change: one, lines: []string{get, set}, left: "1"},
		{name: "create", missing: true, change: one, lines: []string{get, set}, left: "1"},
		{name: "delete", change: remove, lines: []string{get, del}, left: "-"},
		{name: "delete what is missing", missing: true, change: remove, lines: []string{get}, left: "-"},
		{name: "unchanged", change: func(*client.Node) (string, error) { return "1", client.ErrUnchanged }, lines: []string{get}, left: "x"},
		{
			name: "error", change: func(*client.Node) (string, error) { return "1", errOfCaller }, lines: []string{get},
			want: func(err error) bool { return same(err, errOfCaller) }, left: "x",
		},
		{name: "written between", before: onSet(overwrite("y")), change: one, lines: []string{get, set, get, set}, left: "1"},
		{name: "deleted between", before: onSet(func(s *modelStore) { s.remove("/a") }), change: one, lines: []string{get, set, get, set}, left: "1"},
		{name: "created between", missing: true, before: onSet(overwrite("y")), change: one, lines: []string{get, set, get, set}, left: "1"},
		{
			name: "not sent", faults: []storeFault{isNotSent}, change: one, lines: []string{get, set},
			want: func(err error) bool { return same(err, errNotSent) }, left: "x",
		},

		// The answer or the request is lost, and the copy settles it.
		{name: "swap lost", faults: []storeFault{neverArrives}, change: one, lines: []string{get, set, set}, left: "1"},
		{name: "swap late", faults: []storeFault{arrivesLate}, change: one, lines: []string{get, set, set}, left: "1"},
		{name: "delete lost", faults: []storeFault{neverArrives}, change: remove, lines: []string{get, del, del}, left: "-"},
		{
			name: "lost, unreachable, lost", faults: []storeFault{neverArrives, isNotSent, neverArrives}, change: one,
			lines: []string{get, set, set, set, set}, left: "1",
		},
		// It was applied, or another program wrote the same.
		{name: "swap's answer lost", faults: []storeFault{answerLost}, change: one, lines: []string{get, set, set, watch}, want: isOutcomeUnknown, left: "1"},
		{name: "delete's answer lost", faults: []storeFault{answerLost}, change: remove, lines: []string{get, del, del, watch}, want: isOutcomeUnknown, left: "-"},
		{
			name: "lost, and another's swap to the same value", faults: []storeFault{neverArrives}, change: one,
			before: afterTheLoss(func(s *modelStore) { s.swapByAnother("/a", "1") }),
			lines:  []string{get, set, set, watch}, want: isOutcomeUnknown, left: "1",
		},
		// The history shows that another's write came first.
		{
			name: "lost, and another's value", faults: []storeFault{neverArrives}, change: one, before: afterTheLoss(overwrite("y")),
			lines: []string{get, set, set, watch, get, set}, left: "1",
		},
		{
			name: "lost, and set by another to the same value", faults: []storeFault{neverArrives}, change: one, before: afterTheLoss(overwrite("1")),
			lines: []string{get, set, set, watch}, want: isOutcomeUnknown, left: "1",
		},
		{
			name: "lost, and deleted by another", faults: []storeFault{neverArrives}, change: one,
			before: afterTheLoss(func(s *modelStore) { s.remove("/a") }), lines: []string{get, set, set, watch, get, set}, left: "1",
		},
		// A refresh is no event: nothing tells who moved the index.
		{
			name: "lost, and refreshed by another", faults: []storeFault{neverArrives}, change: one,
			before: afterTheLoss(func(s *modelStore) { s.refresh("/a") }), lines: []string{get, set, set, watch}, want: isOutcomeUnknown, left: "x",
		},
		{
			name: "lost, refreshed and written by another", faults: []storeFault{neverArrives}, change: one,
			before: afterTheLoss(func(s *modelStore) { s.refresh("/a"); s.swapByAnother("/a", "1") }),
			lines:  []string{get, set, set, watch, get, set}, left: "1",
		},

		// A value that is nobody else's.
		{name: "unique, answer lost", unique: true, faults: []storeFault{answerLost}, change: one, lines: []string{get, set, set, get, watch}, left: "1"},
		{
			name: "unique, answer lost, overwritten", unique: true, faults: []storeFault{answerLost}, change: one, before: afterTheLoss(overwrite("y")),
			lines: []string{get, set, set, get, watch}, left: "y",
		},
		{
			name: "unique, answer lost, deleted", unique: true, faults: []storeFault{answerLost}, change: one,
			before: afterTheLoss(func(s *modelStore) { s.remove("/a") }), lines: []string{get, set, set, get, watch}, left: "-",
		},
		{
			name: "unique, lost, written by another", unique: true, faults: []storeFault{neverArrives}, change: one, before: afterTheLoss(overwrite("y")),
			lines: []string{get, set, set, get, watch, get, set}, left: "1",
		},
		{
			name: "unique, answer lost, refreshed, no history", unique: true, faults: []storeFault{answerLost}, change: one,
			before: afterTheLoss(func(s *modelStore) { s.refresh("/a"); s.forget() }), lines: []string{get, set, set, get, watch}, left: "1",
		},

		// A creation is never sent twice.
		{name: "create lost", missing: true, faults: []storeFault{neverArrives}, change: one, lines: []string{get, set}, want: isOutcomeUnknown, left: "-"},
		{name: "create late", missing: true, faults: []storeFault{arrivesLate}, change: one, lines: []string{get, set}, want: isOutcomeUnknown, left: "1"},
		{name: "unique create's answer lost", missing: true, unique: true, faults: []storeFault{answerLost}, change: one, lines: []string{get, set, get, watch}, left: "1"},
		{
			name: "unique create lost", missing: true, unique: true, faults: []storeFault{neverArrives}, change: one,
			lines: []string{get, set, get}, want: isOutcomeUnknown, left: "-",
		},
		{
			name: "unique create late, another's first", missing: true, unique: true, faults: []storeFault{arrivesLate}, change: one,
			before: func(s *modelStore, line string) {
				if line == get && s.node("/a") == nil && len(s.lines) > 1 {
					s.put("/a", "y", 0)
				}
			},
			lines: []string{get, set, get, watch}, want: isOutcomeUnknown, left: "y",
		},
	}
}

func TestModify(t *testing.T) {
	for _, tt := range modifications() {
		t.Run(tt.name, func(t *testing.T) { synctest.Test(t, tt.run) })
	}
	for _, tt := range modifications() {
		tt.vague = true
		t.Run(tt.name+", in a store that calls all writes set", func(t *testing.T) { synctest.Test(t, tt.run) })
	}
}

// vagueKeys is a store whose events do not tell what has written or removed a node.
type vagueKeys struct{ client.KeysAPI }

func (k vagueKeys) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	return vagueWatcher{k.KeysAPI.Watcher(key, opts)}
}

type vagueWatcher struct{ client.Watcher }

func (w vagueWatcher) Next(ctx context.Context) (*client.Response, error) {
	resp, err := w.Watcher.Next(ctx)
	if err != nil {
		return nil, err
	}
	told := *resp
	told.Action = "set"
	if (&client.Event{Kind: client.EventKind(resp.Action)}).IsDelete() {
		told.Action = "delete"
	}
	return &told, nil
}

func (m *toTheModel) run(t *testing.T) {
	s := newModelStore()
	if !m.missing {
		s.put("/a", "x", 0)
	}
	s.fault = faultsInOrder(m.faults...)
	s.before = func(line string) {
		if m.before != nil {
			m.before(s, line)
		}
	}
	var kapi client.KeysAPI = s
	if m.vague {
		kapi = vagueKeys{s}
	}
	resp, err := client.Modify(as(t.Context(), "it"), kapi, "/a", m.change, &client.ModifyOptions{Unique: m.unique})
	if m.want == nil && (err != nil || resp == nil) || m.want != nil && !m.want(err) {
		t.Errorf("got %+v, %v", resp, err)
	}
	if err == nil && resp.Action != "get" && (resp.Index != resp.Node.ModifiedIndex && !m.unique || s.applied["it"] != 1) {
		t.Errorf("got %+v, applied %d times", resp, s.applied["it"])
	}
	if !slices.Equal(s.lines, m.lines) {
		t.Errorf("asked %q, want %q", s.lines, m.lines)
	}
	s.late.Wait()
	switch n := s.node("/a"); {
	case m.left == "-" && n != nil, m.left != "-" && (n == nil || n.Value != m.left):
		t.Errorf("there is %v, want %q", n, m.left)
	}
}

func TestModifyResponses(t *testing.T) {
	s := newModelStore()
	leave := func(*client.Node) (string, error) { return "", client.ErrUnchanged }
	resp, err := client.Modify(t.Context(), s, "/a", leave, nil)
	if err != nil || resp.Action != "get" || resp.Node != nil || resp.Index != 3 {
		t.Errorf("unchanged and missing: %+v, %v", resp, err)
	}
	s.put("/a", "x", 0)
	resp, err = client.Modify(t.Context(), s, "/a", leave, nil)
	if err != nil || resp.Action != "get" || resp.Node.Value != "x" || resp.Index != 4 {
		t.Errorf("unchanged: %+v, %v", resp, err)
	}
	var none context.Context
	_, err = client.Modify(none, s, "/a", leave, nil)
	wantInvalidInput(t, err, "context")
	_, err = client.Modify(t.Context(), s, "/a", nil, nil)
	wantInvalidInput(t, err, "function")

	// The function may do with its node what it likes.
	resp, err = client.Modify(t.Context(), s, "/a", func(old *client.Node) (string, error) {
		*old = client.Node{}
		return "y", nil
	}, nil)
	if err != nil || resp.Action != "compareAndSwap" || resp.Node.Value != "y" {
		t.Errorf("got %+v, %v", resp, err)
	}
}

func TestModifyAndTTL(t *testing.T) {
	tests := []struct {
		name string
		old  time.Duration
		opts client.ModifyOptions
		want int64
	}{
		{"dropped", time.Hour, client.ModifyOptions{}, 0},
		{"new", time.Hour, client.ModifyOptions{TTL: time.Minute}, 60},
		{"kept", time.Hour, client.ModifyOptions{TTL: time.Minute, KeepTTL: true}, 3600},
		{"kept to the last", time.Millisecond, client.ModifyOptions{KeepTTL: true}, 1},
		{"kept, but there was none", 0, client.ModifyOptions{TTL: time.Minute, KeepTTL: true}, 60},
	}
	for _, tt := range tests {
		s := newModelStore()
		s.put("/a", "x", tt.old)
		resp, err := client.Modify(t.Context(), s, "/a", setTo("y"), &tt.opts)
		if err != nil || resp.Node.TTL != tt.want {
			t.Errorf("%s: %+v, %v, want TTL %d", tt.name, resp, err, tt.want)
		}
	}
}

func TestModifyUntilTheContextEnds(t *testing.T) {
	t.Run("in others' way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newModelStore()
			s.put("/a", "x", 0)
			var reads []time.Time
			s.before = func(line string) {
				if line == "quorum get" {
					reads = append(reads, time.Now())
				} else {
					s.put("/a", "x", 0)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			begin := time.Now()
			_, err := client.Modify(ctx, s, "/a", setTo("1"), nil)
			if !same(err, context.DeadlineExceeded) || time.Since(begin) != 20*time.Second {
				t.Errorf("got %v after %v", err, time.Since(begin))
			}
			wantPauses(t, reads)
		})
	})
	for name, fault := range map[string]storeFault{"lost": neverArrives, "hanging": answerHangs} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newModelStore()
				s.put("/a", "x", 0)
				s.fault = func() storeFault { return fault }
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				begin := time.Now()
				_, err := client.Modify(ctx, s, "/a", setTo("1"), nil)
				if !isOutcomeUnknown(err) || errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 2*time.Second {
					t.Errorf("got %v after %v", err, time.Since(begin))
				}
			})
		})
	}
	t.Run("before the write", func(t *testing.T) {
		s := newModelStore()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := client.Modify(ctx, s, "/a", func(*client.Node) (string, error) {
			cancel()
			return "1", nil
		}, nil)
		if !same(err, context.Canceled) || len(s.lines) != 1 {
			t.Errorf("got %v after %q", err, s.lines)
		}
	})
}
