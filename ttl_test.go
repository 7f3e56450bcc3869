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

func TestRefresh(t *testing.T) {
	f := script(t, fakeAnswer{body: setReply})
	if _, err := client.Refresh(t.Context(), client.NewKeysAPI(newClient(t, f)), "/a", 1500*time.Millisecond); err != nil {
		t.Error(err)
	}
	wantRequestLines(t, f, "PUT http://etcd/base/v2/keys/a?prevExist=true refresh=true&ttl=2")

	for _, ttl := range []time.Duration{0, -time.Second} { // no fake is asked either
		_, err := client.Refresh(t.Context(), nil, "/a", ttl)
		if e, ok := bare[client.Error](err); !ok || e.Code != client.ErrorCodeRefreshTTLRequired {
			t.Errorf("TTL %v: %v", ttl, err)
		}
	}
}

func TestPersist(t *testing.T) {
	tests := []struct {
		name   string
		old    func(s *modelStore) // what there is
		faults []storeFault
		before func(s *modelStore, line string)
		lines  []string
		want   func(error) bool
		left   string // the value of a node without TTL in the end; "-": there is none
	}{
		{
			name: "with a TTL", old: func(s *modelStore) { s.put("/a", "x", time.Hour) },
			lines: []string{"quorum get", "set x"}, left: "x",
		},
		{name: "without", old: func(s *modelStore) { s.put("/a", "x", 0) }, lines: []string{"quorum get"}, left: "x"},
		{name: "missing", old: func(*modelStore) {}, lines: []string{"quorum get"}, want: client.IsKeyNotFound, left: "-"},
		{
			name: "written between", old: func(s *modelStore) { s.put("/a", "x", time.Hour) },
			before: func(s *modelStore, line string) {
				if line == "set x" {
					s.put("/a", "y", time.Hour)
				}
			},
			lines: []string{"quorum get", "set x", "quorum get", "set y"}, left: "y",
		},
		{
			name: "deleted between", old: func(s *modelStore) { s.put("/a", "x", time.Hour) },
			before: func(s *modelStore, line string) {
				if line == "set x" {
					s.remove("/a")
				}
			},
			lines: []string{"quorum get", "set x", "quorum get"}, want: client.IsKeyNotFound, left: "-",
		},
		{
			name: "answer lost", old: func(s *modelStore) { s.put("/a", "x", time.Hour) }, faults: []storeFault{answerLost},
			lines: []string{"quorum get", "set x", "quorum get"}, left: "x",
		},
		{
			name: "request lost", old: func(s *modelStore) { s.put("/a", "x", time.Hour) }, faults: []storeFault{neverArrives},
			lines: []string{"quorum get", "set x", "quorum get", "set x"}, left: "x",
		},
		{
			name: "request late", old: func(s *modelStore) { s.put("/a", "x", time.Hour) }, faults: []storeFault{arrivesLate},
			lines: []string{"quorum get", "set x", "quorum get", "set x"}, left: "x",
		},
		{
			name: "lost, and then unreachable", old: func(s *modelStore) { s.put("/a", "x", time.Hour) }, faults: []storeFault{neverArrives, isNotSent},
			lines: []string{"quorum get", "set x", "quorum get", "set x"}, want: isOutcomeUnknown,
		},
		{
			name: "unreachable", old: func(s *modelStore) { s.put("/a", "x", time.Hour) }, faults: []storeFault{isNotSent},
			lines: []string{"quorum get", "set x"}, want: func(err error) bool { return same(err, errNotSent) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newModelStore()
				tt.old(s)
				s.fault = faultsInOrder(tt.faults...)
				s.before = func(line string) {
					if tt.before != nil {
						tt.before(s, line)
					}
				}
				resp, err := client.Persist(t.Context(), s, "/a")
				s.late.Wait()
				if tt.want == nil && (err != nil || resp.Node == nil) || tt.want != nil && !tt.want(err) {
					t.Errorf("got %v, %v", resp, err)
				}
				if !slices.Equal(s.lines, tt.lines) {
					t.Errorf("asked %q, want %q", s.lines, tt.lines)
				}
				switch n := s.node("/a"); {
				case tt.left == "-" && n != nil:
					t.Errorf("there is %v", n)
				case tt.left != "-" && tt.left != "" && (n == nil || n.Value != tt.left || n.Expiration != nil):
					t.Errorf("there is %v, want %q without TTL", n, tt.left)
				}
			})
		})
	}
}

func isOutcomeUnknown(err error) bool {
	_, ok := bare[*client.ClusterError](err)
	return ok && errors.Is(err, client.ErrOutcomeUnknown)
}

func TestPersistUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newModelStore()
		s.put("/a", "x", time.Hour)
		s.fault = func() storeFault { return neverArrives }
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := client.Persist(ctx, s, "/a"); !isOutcomeUnknown(err) {
			t.Errorf("got %v", err)
		}

		s.before = func(line string) {
			if line == "set x" {
				s.put("/a", "x", time.Hour)
			}
		}
		s.fault = nil
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := client.Persist(ctx, s, "/a"); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPersistOfADirectoryOnTheWire(t *testing.T) {
	f := script(t, fakeAnswer{body: `{"action":"get","node":{"key":"/a","dir":true,"ttl":9,"expiration":"2030-01-01T00:00:00Z","modifiedIndex":7,"createdIndex":7}}`}, fakeAnswer{body: setReply})
	if _, err := client.Persist(t.Context(), client.NewKeysAPI(newClient(t, f)), "/a"); err != nil {
		t.Error(err)
	}
	wantRequestLines(t, f, getQuorum, "PUT http://etcd/base/v2/keys/a?dir=true&prevExist=true")
	var none context.Context
	_, err := client.Persist(none, nil, "/a")
	wantInvalidInput(t, err, "context")
}
