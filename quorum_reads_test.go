package client_test

import (
	"testing"

	"github.com/coreos/etcd/client"
)

// queriesOf returns what is sent for a Get with nil, with no, and with more options.
func queriesOf(t *testing.T, keys func(*fakeTransport) client.KeysAPI) []string {
	t.Helper()
	f := script(t, fakeAnswer{body: setReply}, fakeAnswer{body: setReply}, fakeAnswer{body: setReply}, fakeAnswer{body: setReply})
	kapi := keys(f)
	all := &client.GetOptions{Recursive: true, Sort: true, Quorum: true}
	most := &client.GetOptions{Recursive: true, Sort: true}
	for _, opts := range []*client.GetOptions{nil, {}, most, all} {
		if _, err := kapi.Get(t.Context(), "/a", opts); err != nil {
			t.Error(err)
		}
	}
	if *most != (client.GetOptions{Recursive: true, Sort: true}) {
		t.Error("the caller's options have changed")
	}
	return f.lines()
}

func TestQuorumByDefault(t *testing.T) {
	config := func(f *fakeTransport) client.Client {
		return newClientOf(t, client.Config{Endpoints: []string{"http://etcd"}, Transport: f, Quorum: true})
	}
	plain := func(f *fakeTransport) client.KeysAPI { return client.NewKeysAPI(newClient(t, f, "http://etcd")) }
	for name, keys := range map[string]func(*fakeTransport) client.KeysAPI{
		"Config.Quorum":                 func(f *fakeTransport) client.KeysAPI { return client.NewKeysAPI(config(f)) },
		"Config.Quorum of an embedded":  func(f *fakeTransport) client.KeysAPI { return client.NewKeysAPI(&countingClient{Client: config(f)}) },
		"QuorumReads":                   func(f *fakeTransport) client.KeysAPI { return client.QuorumReads(plain(f)) },
		"QuorumReads of another's":      func(f *fakeTransport) client.KeysAPI { return client.QuorumReads(struct{ client.KeysAPI }{plain(f)}) },
		"QuorumReads and Config.Quorum": func(f *fakeTransport) client.KeysAPI { return client.QuorumReads(client.NewKeysAPI(config(f))) },
		"QuorumReads above a wrapped action": func(f *fakeTransport) client.KeysAPI {
			return client.QuorumReads(client.NewKeysAPI(headerClient{newClient(t, f, "http://etcd")}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := queriesOf(t, keys)
			want := []string{
				"GET http://etcd/v2/keys/a?quorum=true",
				"GET http://etcd/v2/keys/a?quorum=true",
				"GET http://etcd/v2/keys/a?quorum=true&recursive=true&sorted=true",
				"GET http://etcd/v2/keys/a?quorum=true&recursive=true&sorted=true",
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("request %d is %s, want %s", i, got[i], want[i])
				}
			}
		})
	}
	if got := queriesOf(t, plain)[0]; got != "GET http://etcd/v2/keys/a" {
		t.Errorf("without: %s", got)
	}
}

// Writes and watches are as they are.
func TestQuorumByDefaultIsForGet(t *testing.T) {
	f := script(t, fakeAnswer{body: setReply}, fakeAnswer{body: setReply}, fakeAnswer{header: "X-Etcd-Index: 3", body: setReply})
	c := newClientOf(t, client.Config{Endpoints: []string{"http://etcd"}, Transport: f, Quorum: true})
	kapi := client.QuorumReads(client.NewKeysAPI(c))
	if _, err := kapi.Set(t.Context(), "/a", "1", nil); err != nil {
		t.Error(err)
	}
	if _, err := kapi.Delete(t.Context(), "/a", nil); err != nil {
		t.Error(err)
	}
	if _, err := kapi.Watcher("/a", nil).Next(t.Context()); err != nil {
		t.Error(err)
	}
	wantRequestLines(t, f, "PUT http://etcd/v2/keys/a value=1", "DELETE http://etcd/v2/keys/a", "GET http://etcd/v2/keys/a?wait=true")
}
