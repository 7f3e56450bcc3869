package client_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/coreos/etcd/client"
)

// countingClient passes actions on, as a Client that measures would.
type countingClient struct {
	client.Client
	calls int
}

func (c *countingClient) Do(ctx context.Context, act client.HTTPAction) (*http.Response, []byte, error) {
	c.calls++
	return c.Client.Do(ctx, act)
}

// headerClient passes actions on in one of its own.
type headerClient struct{ client.Client }

type headerAction struct{ client.HTTPAction }

func (a headerAction) HTTPRequest(ep url.URL) *http.Request {
	req := a.HTTPAction.HTTPRequest(ep)
	req.Header.Set("X-Tenant", "blue")
	return req
}

func (c headerClient) Do(ctx context.Context, act client.HTTPAction) (*http.Response, []byte, error) {
	return c.Client.Do(ctx, headerAction{act})
}

// cachingClient answers by itself.
type cachingClient struct {
	client.Client
	resp *http.Response
	body string
}

func (c cachingClient) Do(context.Context, client.HTTPAction) (*http.Response, []byte, error) {
	return c.resp, []byte(c.body), nil
}

func TestClientThatPassesActionsOn(t *testing.T) {
	f := script(t, fakeAnswer{status: 503}, fakeAnswer{body: setReply}, fakeAnswer{status: 404, body: `{"errorCode":100}`})
	c := &countingClient{Client: newClient(t, f, "http://a", "http://b")}
	kapi := client.NewKeysAPI(c)
	if resp, err := kapi.Set(t.Context(), "/a", "1", nil); err != nil || resp.Node.Key != "/a" {
		t.Errorf("got %+v, %v", resp, err)
	}
	if _, err := kapi.Get(t.Context(), "/a", nil); !client.IsKeyNotFound(err) {
		t.Errorf("got %v", err)
	}
	if c.calls != 2 || len(f.seen()) != 3 {
		t.Errorf("%d calls and %d requests", c.calls, len(f.seen()))
	}
}

func TestClientThatChangesActions(t *testing.T) {
	f := script(t, fakeAnswer{header: "X-Etcd-Index: 7", body: setReply}, fakeAnswer{status: 412, body: `{"errorCode":101}`})
	kapi := client.NewKeysAPI(headerClient{newClient(t, f)})
	if resp, err := kapi.Get(t.Context(), "/a", nil); err != nil || resp.Node.Key != "/a" || resp.Index != 7 {
		t.Errorf("got %+v, %v", resp, err)
	}
	if tenant := f.seen()[0].header.Get("X-Tenant"); tenant != "blue" {
		t.Errorf("the tenant is %q", tenant)
	}
	_, err := kapi.Set(t.Context(), "/a", "2", &client.SetOptions{PrevValue: "1"})
	e, ok := bare[client.Error](err)
	if !ok || !client.IsTestFailed(err) || e.StatusCode != http.StatusPreconditionFailed || e.Endpoint != "http://etcd" {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestClientThatAnswersByItself(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Etcd-Index": {"9"}}}
	kapi := client.NewKeysAPI(cachingClient{resp: resp, body: setReply})
	if got, err := kapi.Get(t.Context(), "/a", nil); err != nil || got.Node.Key != "/a" || got.Index != 9 {
		t.Errorf("got %+v, %v", got, err)
	}
	kapi = client.NewKeysAPI(cachingClient{})
	if _, err := kapi.Get(t.Context(), "/a", nil); err == nil {
		t.Error("no response passes for an answer")
	} else if _, ok := bare[*client.ReplyError](err); !ok {
		t.Errorf("got %v", err)
	}
}
