package integration

import (
	"errors"
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
			set := func(key, value string, opts *client.SetOptions) (*client.Response, error) {
				return kapi.Set(ctx, key, value, opts)
			}
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

// TestMonotonicReadsFromAMemberBehind cuts a member off from its peers, which then
// answers plain reads from the past, and moves a client there that knows better.
func TestMonotonicReadsFromAMemberBehind(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		behind := c.Member(0)
		at := func(members ...*harness.Member) (urls []string) {
			for _, m := range members {
				urls = append(urls, m.ClientURL())
			}
			return urls
		}
		key := uniqueKey("age")
		setAt(t, []*harness.Member{behind}, key, "old")
		heal := cutOff(t, c, behind)
		setAt(t, others(c, behind), key, "newer") // as soon as they have a quorum

		cl := must[client.Client](t)(client.New(client.Config{Endpoints: at(others(c, behind)...)}))
		plain := client.NewKeysAPI(cl)
		kapi := client.MonotonicReads(plain)
		must[*client.Response](t)(kapi.Set(within(t, callTimeout), key, "newest", nil))

		check(t, cl.SetEndpoints(at(behind)))
		resp, err := plain.Get(within(t, callTimeout), key, nil)
		if got := mustResponse(t, resp, err).Node.Value; got != "old" {
			t.Errorf("the member that is cut off says %q: this shows nothing", got)
		}
		resp, err = kapi.Get(within(t, callTimeout), key, nil)
		if err == nil || !errors.Is(err, client.ErrClusterUnavailable) {
			t.Errorf("got %v, %v from the past, want an error", resp, err)
		}
		// Another member in reach has it.
		check(t, cl.SetEndpoints(at(behind, others(c, behind)[0])))
		resp, err = kapi.Get(within(t, callTimeout), key, nil)
		if got := mustResponse(t, resp, err).Node.Value; got != "newest" {
			t.Errorf("got %q", got)
		}
		heal()
	})
}
