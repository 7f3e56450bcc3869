package move_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
	"github.com/coreos/etcd/client/move"
)

// story tells a story in a bubble, with two stores.
func story(t *testing.T, tell func(t *testing.T, from, to *keystest.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { tell(t, keystest.New(), keystest.New()) })
}

// random tells a story with different seeds.
func random(t *testing.T, times int, tell func(t *testing.T, r *rand.Rand, from, to *keystest.Store)) {
	t.Helper()
	for range times {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			story(t, func(t *testing.T, from, to *keystest.Store) {
				t.Helper()
				tell(t, rand.New(rand.NewPCG(seed, 0)), from, to)
			})
		})
	}
}

// start begins a move, as the caller "mover", and has it closed at the end.
func start(t *testing.T, from, to client.KeysAPI, opts *move.Options) *move.Move {
	t.Helper()
	m, err := move.Start(keystest.As(t.Context(), "mover"), from, to, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// caughtUp starts a move and waits until it has caught up.
func caughtUp(t *testing.T, from, to client.KeysAPI, opts *move.Options) *move.Move {
	t.Helper()
	m := start(t, from, to, opts)
	if err := m.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

func mustSwitch(t *testing.T, m *move.Move) move.Report {
	t.Helper()
	report, err := m.Switch(keystest.As(t.Context(), "mover"))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// set sets keys to values; a value of "/" makes a directory.
func set(t *testing.T, s client.KeysAPI, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		var opts client.SetOptions
		value := pairs[i+1]
		if opts.Dir = value == "/"; opts.Dir {
			value = ""
		}
		if _, err := s.Set(t.Context(), pairs[i], value, &opts); err != nil {
			t.Fatal(err)
		}
	}
}

func setTTL(t *testing.T, s client.KeysAPI, key, value string, ttl time.Duration) {
	t.Helper()
	if _, err := s.Set(t.Context(), key, value, &client.SetOptions{TTL: ttl}); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, s client.KeysAPI, key string) {
	t.Helper()
	if _, err := s.Delete(t.Context(), key, &client.DeleteOptions{Recursive: true, Dir: true}); err != nil {
		t.Fatal(err)
	}
}

// state is what a store holds, hidden nodes and all; of what expires, only that it does.
func state(s *keystest.Store) []string {
	var lines []string
	for _, n := range s.Dump() {
		lines = append(lines, fmt.Sprintf("%s dir=%t %q expires=%t", n.Key, n.Dir, n.Value, n.Expiration != nil))
	}
	return lines
}

func wantSame(t *testing.T, to, from *keystest.Store) {
	t.Helper()
	got, want := state(to), state(from)
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("unexpected: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
}

// names are of nodes; some sort before "/", which separates them.
var names = []string{"a", "b", "a-b", "a.b", "a b", "_h", "_", "é", "00000000000000000017"}

// stir changes a store at random.
func stir(t *testing.T, s *keystest.Store, r *rand.Rand, times int) {
	t.Helper()
	for range times {
		nodes := s.Dump()
		if len(nodes) > 0 && r.IntN(4) == 0 {
			remove(t, s, nodes[r.IntN(len(nodes))].Key)
			continue
		}
		key := ""
		for range 1 + r.IntN(3) {
			key += "/" + names[r.IntN(len(names))]
		}
		opts := client.SetOptions{Dir: r.IntN(4) == 0}
		if r.IntN(4) == 0 {
			opts.TTL = time.Duration(1+r.IntN(30)) * time.Second
		}
		value := ""
		if !opts.Dir {
			value = fmt.Sprint(r.IntN(1000))
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.Set(ctx, key, value, &opts)
		cancel()
		if err != nil && !isRefused(err) {
			t.Fatal(err)
		}
	}
}

func isRefused(err error) bool {
	e, ok := err.(client.Error) //nolint:errorlint // that is what a KeysAPI returns
	return ok && (e.Code == client.ErrorCodeNotFile || e.Code == client.ErrorCodeNotDir)
}
