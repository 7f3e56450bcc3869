package integration

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestResumeIndexMissesNothing watches from each kind of response, and wants the
// very next write.
func TestResumeIndexMissesNothing(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			set := func(key, value string, opts *client.SetOptions) (*client.Response, error) { return kapi.Set(ctx, key, value, opts) }
			event := func(after uint64) (*client.Response, error) {
				return kapi.Watcher("/d", &client.WatcherOptions{AfterIndex: after, Recursive: true}).Next(ctx)
			}
			for name, respond := range map[string]func() (*client.Response, error){
				"get":           func() (*client.Response, error) { return kapi.Get(ctx, "/d", nil) },
				"recursive get": func() (*client.Response, error) { return kapi.Get(ctx, "/d", &client.GetOptions{Recursive: true}) },
				"quorum get":    func() (*client.Response, error) { return kapi.Get(ctx, "/d", &client.GetOptions{Quorum: true}) },
				"root get":      func() (*client.Response, error) { return kapi.Get(ctx, "/", nil) },
				"set":           func() (*client.Response, error) { return set("/d/k", "1", nil) },
				"set without value": func() (*client.Response, error) {
					return set("/d/k", "1", &client.SetOptions{NoValueOnSuccess: true})
				},
				"swap":            func() (*client.Response, error) { return set("/d/k", "2", &client.SetOptions{PrevValue: "1"}) },
				"refresh":         func() (*client.Response, error) { return client.Refresh(ctx, kapi, "/d/k", time.Hour) },
				"delete":          func() (*client.Response, error) { return kapi.Delete(ctx, "/d/k", nil) },
				"create in order": func() (*client.Response, error) { return kapi.CreateInOrder(ctx, "/d/q", "1", nil) },
				"directory":       func() (*client.Response, error) { return set(uniqueKey("d/sub"), "", &client.SetOptions{Dir: true}) },
				"event of the history": func() (*client.Response, error) {
					first := must[*client.Response](t)(set("/d/k", "event", nil))
					return event(first.Node.ModifiedIndex - 1)
				},
			} {
				mustKey := must[*client.Response](t)
				mustKey(set("/d/k", "1", nil))
				mustKey(set("/elsewhere", "1", nil))
				resp := must[*client.Response](t)(respond())
				next := mustKey(set("/d/next", name, nil))
				mustKey(set("/d/next", "later", nil))
				got, err := event(resp.ResumeIndex())
				if mustResponse(t, got, err); got.Node.ModifiedIndex != next.Node.ModifiedIndex {
					t.Errorf("%s at %d (index %d): the next event is %v, want that of %d", name, resp.ResumeIndex(), resp.Index, got.Node, next.Node.ModifiedIndex)
				}
			}
		})
	}
}

// TestMonotonicReadsFromAMemberBehind writes at one member of a cluster and reads
// at one that can't know of it, being stopped on its way.
func TestMonotonicReadsFromAMemberBehind(t *testing.T) {
	onFaulty(t, func(s story) {
		t, c := s.t, s.c
		ctx := within(t, callTimeout)
		key := uniqueKey("age")
		must[*client.Response](t)(freshKeys(t, c).Set(ctx, key, "old", nil))
		behind := c.Members()[0]
		harness.WaitFor(t, callTimeout, func() error {
			resp, err := keysAt(t, behind.ProxyURL()).Get(ctx, key, nil)
			if err == nil && resp.Node.Value != "old" {
				err = errors.New("not there yet")
			}
			return err
		})
		// An answer of before, as a member gives it that is behind.
		old := &agedTransport{RoundTripper: client.DefaultTransport}
		cl := must[client.Client](t)(client.New(client.Config{Endpoints: []string{behind.ProxyURL()}, Transport: old}))
		kapi := client.MonotonicReads(client.NewKeysAPI(cl))
		old.keep(ctx, t, behind.ProxyURL()+"/v2/keys"+key)
		must[*client.Response](t)(kapi.Set(ctx, key, "new", nil))
		resp, err := client.NewKeysAPI(cl).Get(ctx, key, nil)
		if mustResponse(t, resp, err).Node.Value != "old" {
			t.Errorf("without: %q", resp.Node.Value)
		}
		resp, err = kapi.Get(ctx, key, nil)
		if mustResponse(t, resp, err).Node.Value != "new" {
			t.Errorf("got %q", resp.Node.Value)
		}
	})
}

var _ = http.MethodGet
var _ = strings.Contains
var _ = context.Background
