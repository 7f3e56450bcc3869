package integration

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

func TestCompareWithAnEmptyValue(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			_, err := client.CompareAndSwap(ctx, kapi, "/k", "1", client.IfValue(""), nil)
			wantKeysError(t, c, err, client.ErrorCodeKeyNotFound, 404, "/k")

			resp, err := kapi.Set(ctx, "/k", "", nil)
			mustResponse(t, resp, err)
			resp, err = client.CompareAndSwap(ctx, kapi, "/k", "1", client.IfValue(""), &client.SwapOptions{TTL: 100 * time.Second})
			wantResponse(t, mustResponse(t, resp, err), client.Response{
				Action: "compareAndSwap", Node: &client.Node{Key: "/k", Value: "1", TTL: 100}, PrevNode: &client.Node{Key: "/k"},
			})
			_, err = client.CompareAndSwap(ctx, kapi, "/k", "2", client.IfValue(""), nil)
			if e, ok := bareError(err); !ok || e.Code != client.ErrorCodeTestFailed || e.Cause != "[ != 1]" || e.Index == 0 {
				t.Errorf("got %v", err)
			}
			// The server's words for the same, where it can compare.
			_, err = client.CompareAndSwap(ctx, kapi, "/k", "2", client.IfValue("x"), nil)
			wantKeysError(t, c, err, client.ErrorCodeTestFailed, 412, "[x != 1]")
			both := client.IfValue("x").And(client.IfIndex(1))
			_, err = client.CompareAndSwap(ctx, kapi, "/k", "2", both, nil)
			wantKeysError(t, c, err, client.ErrorCodeTestFailed, 412, fmt.Sprintf("[x != 1] [1 != %d]", resp.Node.ModifiedIndex))

			resp, err = kapi.Set(ctx, "/k", "", nil)
			mustResponse(t, resp, err)
			if _, err = client.CompareAndDelete(ctx, kapi, "/k", client.IfValue("").And(client.IfIndex(1))); !client.IsTestFailed(err) {
				t.Errorf("got %v", err)
			}
			resp, err = client.CompareAndDelete(ctx, kapi, "/k", client.IfValue("").And(client.IfIndex(resp.Node.ModifiedIndex)))
			if mustResponse(t, resp, err).Action != "compareAndDelete" {
				t.Errorf("got %s", resp.Action)
			}
		})
	}
}

func TestDirectoriesCanNotBeCompared(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			resp, err := kapi.Set(ctx, "/d", "", &client.SetOptions{Dir: true})
			index := mustResponse(t, resp, err).Node.ModifiedIndex
			for _, cond := range []client.Condition{client.IfValue(""), client.IfValue("x"), client.IfIndex(index)} {
				_, err = client.CompareAndSwap(ctx, kapi, "/d", "1", cond, nil)
				if e, ok := bareError(err); !ok || e.Code != client.ErrorCodeNotFile || e.Cause != "/d" {
					t.Errorf("swap by %v: %v", cond, err)
				}
				_, err = client.CompareAndDelete(ctx, kapi, "/d", cond)
				if e, ok := bareError(err); !ok || e.Code != client.ErrorCodeNotFile || e.Cause != "/d" {
					t.Errorf("delete by %v: %v", cond, err)
				}
			}
			_, err = client.Modify(ctx, kapi, "/d", func(*client.Node) (string, error) { return "1", nil }, nil)
			if e, ok := bareError(err); !ok || e.Code != client.ErrorCodeNotFile {
				t.Errorf("modify: %v", err)
			}
		})
	}
}

func TestPersistDropsTheTTL(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			_, err := client.Persist(ctx, kapi, "/k")
			wantKeysError(t, c, err, client.ErrorCodeKeyNotFound, 404, "/k")
			_, err = client.Refresh(ctx, kapi, "/k", time.Minute)
			wantKeysError(t, c, err, client.ErrorCodeKeyNotFound, 404, "/k")

			resp, err := kapi.Set(ctx, "/k", "kept", &client.SetOptions{TTL: 100 * time.Second})
			mustResponse(t, resp, err)
			before := resp.Node.ModifiedIndex
			resp, err = client.Refresh(ctx, kapi, "/k", 200*time.Second)
			if mustResponse(t, resp, err); resp.Node.Value != "kept" || resp.Node.TTL != 200 || resp.Node.ModifiedIndex <= before {
				t.Errorf("refreshed, it is %v, at %d before", resp.Node, before)
			}
			resp, err = client.Persist(ctx, kapi, "/k")
			if mustResponse(t, resp, err); resp.Action != "compareAndSwap" || resp.Node.Value != "kept" || resp.Node.Expiration != nil {
				t.Errorf("persisted, it is %v after %s", resp.Node, resp.Action)
			}
			resp, err = client.Persist(ctx, kapi, "/k")
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "get", Node: &client.Node{Key: "/k", Value: "kept"}})
		})
	}
}

func TestPersistOfADirectory(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			resp, err := kapi.Set(ctx, "/d", "", &client.SetOptions{Dir: true, TTL: 100 * time.Second})
			mustResponse(t, resp, err)
			resp, err = client.Persist(ctx, kapi, "/d")
			var e client.Error
			switch {
			case err == nil:
				t.Logf("the server does it: %s of %v", resp.Action, resp.Node)
				resp, err = kapi.Get(ctx, "/d", &client.GetOptions{Quorum: true})
				if mustResponse(t, resp, err).Node.Expiration != nil {
					t.Errorf("it still expires: %v", resp.Node)
				}
			case errors.As(err, &e) && e.Code == client.ErrorCodeRaftInternal && errors.Is(err, client.ErrOutcomeUnknown):
				t.Logf("the server does not: %v", err)
			default:
				t.Errorf("got %v", err)
			}
			resp, err = client.Persist(ctx, kapi, "/")
			if mustResponse(t, resp, err).Action != "get" {
				t.Errorf("persisting the root is %s", resp.Action)
			}
		})
	}
}

// TestModifyCountsLostAnswers has several programs count, while answers of writes
// get lost, and requests do.
func TestModifyCountsLostAnswers(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		const programs, counts = 4, 25
		for i, m := range c.Members() {
			var mu sync.Mutex
			var n int
			every := func(k int) func(string) bool {
				return func(string) bool {
					mu.Lock()
					defer mu.Unlock()
					n++
					return (n+i)%k == 0
				}
			}
			m.Proxy().Inject(
				harness.Fault{Kind: harness.LoseAnswer, Match: keyPath(http.MethodPut, "/count"), When: every(7)},
				harness.Fault{Kind: harness.ResetBeforeHeaders, Match: keyPath(http.MethodPut, "/count"), When: every(11)},
			)
		}
		ctx := within(t, 4*callTimeout)
		var mu sync.Mutex
		successes, unknowns := 0, 0
		var all sync.WaitGroup
		for range programs {
			kapi := freshKeys(t, c)
			all.Go(func() {
				for range counts {
					_, err := client.Modify(ctx, kapi, "/count", func(old *client.Node) (string, error) {
						if old == nil {
							return "1", nil
						}
						n, err := strconv.Atoi(old.Value)
						return strconv.Itoa(n + 1), err
					}, nil)
					mu.Lock()
					switch {
					case err == nil:
						successes++
					case errors.Is(err, client.ErrOutcomeUnknown):
						unknowns++
					default:
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		for _, m := range c.Members() {
			m.Proxy().Clear()
		}
		count := must[int](t)(strconv.Atoi(valueOf(t, freshKeys(t, c), "/count")))
		if count < successes || count > successes+unknowns || unknowns == 0 {
			t.Errorf("counted %d, with %d successes and %d unknown outcomes", count, successes, unknowns)
		}
		t.Logf("counted %d, with %d successes and %d unknown outcomes", count, successes, unknowns)
	})
}

// TestModifyKnowsItsUniqueValue loses the answer of the swap, and of its copy.
func TestModifyKnowsItsUniqueValue(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		for i, unique := range []bool{true, false, true, false} {
			key, creates := uniqueKey("mine"), i < 2
			if !creates {
				must[*client.Response](t)(freshKeys(t, c).Set(within(t, callTimeout), key, "old", nil))
			}
			for _, m := range c.Members() {
				m.Proxy().Inject(harness.Fault{Kind: harness.LoseAnswer, Match: keyPath(http.MethodPut, key), Count: 1})
			}
			resp, err := client.Modify(within(t, callTimeout), freshKeys(t, c), key, func(*client.Node) (string, error) {
				return "mine alone", nil
			}, &client.ModifyOptions{Unique: unique})
			if unique {
				if mustResponse(t, resp, err); resp.Node.Value != "mine alone" || creates != (resp.PrevNode == nil) {
					t.Errorf("got %s of %v", resp.Action, resp.Node)
				}
			} else {
				wantUnknown(t, "Modify", err)
			}
			if got := valueOf(t, freshKeys(t, c), key); got != "mine alone" {
				t.Errorf("the value is %q", got)
			}
		}
	})
}
