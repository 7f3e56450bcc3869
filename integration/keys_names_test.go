package integration

import (
	"errors"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

func TestOddKeys(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			for _, tt := range []struct{ key, recorded string }{
				{"/odd/a b", "/odd/a b"},
				{"/odd/100%", "/odd/100%"},
				{"/odd/%2F", "/odd/%2F"},
				{"/odd/%zz", "/odd/%zz"},
				{"/odd/what?", "/odd/what?"},
				{"/odd/?wait=true", "/odd/?wait=true"},
				{"/odd/a#b", "/odd/a#b"},
				{"/odd/ü", "/odd/ü"},
				{"/odd/鍵", "/odd/鍵"},
				{"/odd/a+b", "/odd/a+b"},
				{"/odd/a&b=c", "/odd/a&b=c"},
				{"/odd/a;b", "/odd/a;b"},
				{`/odd/"quoted"`, `/odd/"quoted"`},
				{`/odd/back\slash`, `/odd/back\slash`},
				{"/odd/a:b@c", "/odd/a:b@c"},
				{"/odd/...", "/odd/..."},
				{"odd/no-slash-first", "/odd/no-slash-first"},
				{"/odd/trailing/", "/odd/trailing"},
				{"/odd//double", "/odd/double"},
			} {
				t.Run(tt.key, func(t *testing.T) {
					want := &client.Node{Key: tt.recorded, Value: tt.key}
					resp, err := kapi.Set(ctx, tt.key, tt.key, nil)
					wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "set", Node: want})
					resp, err = kapi.Get(ctx, tt.key, nil)
					wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "get", Node: want})

					after := &client.WatcherOptions{AfterIndex: resp.Node.ModifiedIndex - 1}
					resp, err = kapi.Watcher(tt.key, after).Next(ctx)
					wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "set", Node: want})

					resp, err = kapi.Delete(ctx, tt.key, nil)
					wantResponse(t, mustResponse(t, resp, err), client.Response{
						Action: "delete", Node: &client.Node{Key: tt.recorded}, PrevNode: want,
					})
				})
			}
		})
	}
}

func TestKeysRefusedBeforeTheyAreSent(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			sent := newRecorder(t)
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: sent})
			kapi := client.NewKeysAPI(cl)
			for _, key := range []string{"..", "/..", "/a/../b", "/a/..", ".", "/a/./b", "../../members", "/nul\x00", "/bad\xff"} {
				calls := map[string]func() error{
					"Get":           func() error { _, err := kapi.Get(ctx, key, nil); return err },
					"Set":           func() error { _, err := kapi.Set(ctx, key, "v", nil); return err },
					"Create":        func() error { _, err := kapi.Create(ctx, key, "v"); return err },
					"CreateInOrder": func() error { _, err := kapi.CreateInOrder(ctx, key, "v", nil); return err },
					"Update":        func() error { _, err := kapi.Update(ctx, key, "v"); return err },
					"Delete":        func() error { _, err := kapi.Delete(ctx, key, nil); return err },
					"Watch":         func() error { _, err := kapi.Watcher(key, nil).Next(ctx); return err },
				}
				for name, call := range calls {
					var invalid *client.InvalidInputError
					if err := call(); !errors.As(err, &invalid) {
						t.Errorf("%s of %q: got %v, want a *client.InvalidInputError", name, key, err)
					}
				}
			}
			if got := sent.keys(); len(got) != 0 {
				t.Errorf("these were sent: %+v", got)
			}
		})
	}
}

func TestValuesComeBackByteForByte(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			for name, value := range map[string]string{
				"empty":        "",
				"newlines":     "a\nb\r\n\tc",
				"quotes":       `"'\ </script> & = + %41 ;`,
				"controls":     "\x00\x01\x1f\x7f",
				"beyond BMP":   "ü 鍵 \u2028 \U0001F511 \uFFFD \U0010FFFF",
				"JSON":         `{"node":{"value":"no"}}`,
				"1.2 MiB":      strings.Repeat("0123456789ab", 100<<10),
				"all of ASCII": allASCII(),
			} {
				t.Run(name, func(t *testing.T) {
					resp, err := kapi.Set(ctx, "/v", value, nil)
					if mustResponse(t, resp, err).Node.Value != value {
						t.Error("the response of Set has another value")
					}
					resp, err = kapi.Get(ctx, "/v", nil)
					if got := mustResponse(t, resp, err).Node.Value; got != value {
						t.Errorf("got %.80q, want %.80q", got, value)
					}
					if value == "" || len(value) > 1<<10 {
						return // As prevValue the server takes nothing empty, and nothing longer than its headers.
					}
					resp, err = kapi.Set(ctx, "/v", "next", &client.SetOptions{PrevValue: value})
					mustResponse(t, resp, err)
				})
			}
		})
	}
}

func allASCII() string {
	b := make([]byte, 128)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}
