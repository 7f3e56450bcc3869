package bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// A lossy is a write whose answer is lost when it is done.
type lossy struct {
	name string
	once bool
	do   func(ctx context.Context, kapi client.KeysAPI) error
	// done returns an error until the write is seen to be done.
	done func(ctx context.Context, kapi client.KeysAPI) error
}

const (
	lossyKey = "/lossy/k"
	lossyDir = "/lossy/queue"
)

func lossyWrites() []lossy {
	has := func(value string) func(context.Context, client.KeysAPI) error {
		return func(ctx context.Context, kapi client.KeysAPI) error {
			resp, err := kapi.Get(ctx, lossyKey, nil)
			if err == nil && resp.Node.Value != value {
				err = fmt.Errorf("the value is %q", resp.Node.Value)
			}
			return err
		}
	}
	set := func(value string, o client.SetOptions) func(context.Context, client.KeysAPI) error {
		return func(ctx context.Context, kapi client.KeysAPI) error {
			return failure(kapi.Set(ctx, lossyKey, value, &o))
		}
	}
	return []lossy{
		{"create", true, set("1", client.SetOptions{PrevExist: client.PrevNoExist}), has("1")},
		{"set", false, set("2", client.SetOptions{}), has("2")},
		{"swap", true, set("4", client.SetOptions{PrevValue: "2"}), has("4")},
		{"update", false, set("5", client.SetOptions{PrevExist: client.PrevExist}), has("5")},
		{
			"delete", true, func(ctx context.Context, kapi client.KeysAPI) error { return failure(kapi.Delete(ctx, lossyKey, nil)) },
			func(ctx context.Context, kapi client.KeysAPI) error {
				if _, err := kapi.Get(ctx, lossyKey, nil); !client.IsKeyNotFound(err) {
					return fmt.Errorf("it is not deleted: %w", err)
				}
				return nil
			},
		},
		{
			"CreateInOrder", true, func(ctx context.Context, kapi client.KeysAPI) error {
				return failure(kapi.CreateInOrder(ctx, lossyDir, "v", nil))
			},
			func(ctx context.Context, kapi client.KeysAPI) error { return failure(kapi.Get(ctx, lossyDir, nil)) },
		},
	}
}

// The answer of a write gets lost when it is seen to be done. What may be repeated is,
// unless Config.StrictWrites says no; of anything else the outcome is unknown.
func TestLostAnswersOfTheBridge(t *testing.T) {
	onSites(t, 1, func(st site) {
		for _, strict := range []bool{false, true} {
			opened, err := keysapi.Open(st.ctx, client.Config{Endpoints: st.c.Endpoints(), StrictWrites: strict}, keysapi.WithPrefix(prefix))
			if err != nil {
				st.Fatal(err)
			}
			for _, w := range lossyWrites() {
				err = st.loseAnswer(opened.Keys, w)
				if unknown := w.once || strict; errors.Is(err, client.ErrOutcomeUnknown) != unknown || !unknown && err != nil {
					st.Errorf("%s, strict %v: %v", w.name, strict, err)
				}
			}
			resp, err := opened.Keys.Get(st.ctx, lossyDir, &client.GetOptions{Quorum: true})
			if err != nil || len(resp.Node.Nodes) != 1 {
				st.Errorf("in-order nodes: %v, %v", resp, err)
			}
			if _, err := opened.Keys.Delete(st.ctx, "/lossy", &client.DeleteOptions{Recursive: true}); err != nil {
				st.Error(err)
			}
			if err := opened.Close(); err != nil {
				st.Error(err)
			}
		}
	})
}

// loseAnswer gives what the caller was told.
func (st site) loseAnswer(kapi client.KeysAPI, w lossy) error {
	st.Helper()
	if _, err := kapi.Get(st.ctx, "/", &client.GetOptions{Quorum: true}); err != nil { // There is a connection.
		st.Fatal(err)
	}
	proxy := st.c.Member(0).Proxy()
	proxy.LoseAnswers()
	told := make(chan error, 1)
	go func() { told <- w.do(st.ctx, kapi) }()
	observer := st.keys() // by a connection that is served
	st.eventually(func(ctx context.Context) error { return w.done(ctx, observer) })
	proxy.Reset()
	select {
	case err := <-told:
		return err
	case <-st.ctx.Done():
		st.Fatalf("%s has not ended", w.name)
		return nil
	}
}
