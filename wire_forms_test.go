package client_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// wireNode and wireResponse are spelled out here, so that the library's own
// field tags are tested and not used.
type wireNode struct {
	Key           string      `json:"key"`
	Dir           bool        `json:"dir"`
	Value         string      `json:"value"`
	Nodes         []*wireNode `json:"nodes"`
	CreatedIndex  uint64      `json:"createdIndex"`
	ModifiedIndex uint64      `json:"modifiedIndex"`
	Expiration    *time.Time  `json:"expiration"`
	TTL           int64       `json:"ttl"`
}

type wireResponse struct {
	Action    string    `json:"action"`
	Node      *wireNode `json:"node"`
	PrevNode  *wireNode `json:"prevNode"`
	Index     uint64    `json:"-index"`
	ClusterID string    `json:"-clusterID"`
}

// wireMember and what follows are the small documents. A list of users or roles
// is the list of their names, and none is as good as an empty one.
type wireMember struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
}

type wireNames map[string][]wireName

type wireRole struct {
	Role        string                         `json:"role"`
	Permissions map[string]map[string][]string `json:"permissions"`
}

// wireName is a user or a role, of which servers say the name or an object.
type wireName string

// UnmarshalJSON implements json.Unmarshaler.
func (n *wireName) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(n))
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	for _, field := range []string{"user", "role"} {
		if name, ok := object[field].(string); ok {
			*n = wireName(name)
			return nil
		}
	}
	return errors.New("neither user nor role")
}

// wireForm copies what a call returned into the types above.
func wireForm(t *testing.T, got any) any {
	t.Helper()
	switch v := got.(type) {
	case *client.Response:
		return wireResponse{v.Action, wireNodeOf(v.Node), wireNodeOf(v.PrevNode), v.Index, v.ClusterID}
	case *client.Member:
		return wireMember(*v)
	case []client.Member:
		members := make([]wireMember, len(v))
		for i, m := range v {
			members[i] = wireMember(m)
		}
		return members
	case *client.User:
		return append([]string{v.User}, v.Roles...)
	case *client.Role:
		kv := map[string][]string{"read": v.Permissions.KV.Read, "write": v.Permissions.KV.Write}
		return wireRole{v.Role, map[string]map[string][]string{"kv": kv}}
	case *client.Versions:
		return map[string]string{"etcdserver": v.Server, "etcdcluster": v.Cluster}
	case []string:
		return append([]string{}, v...)
	case wireNothing:
		return nil
	}
	t.Fatalf("no form for %T", got)
	return nil
}

func wireNodeOf(n *client.Node) *wireNode {
	if n == nil {
		return nil
	}
	var nodes []*wireNode
	for _, child := range n.Nodes {
		nodes = append(nodes, wireNodeOf(child))
	}
	return &wireNode{n.Key, n.Dir, n.Value, nodes, n.CreatedIndex, n.ModifiedIndex, n.Expiration, n.TTL}
}

// wireWant decodes the recorded reply into the form that got has.
func wireWant(t *testing.T, x wireExchange, got any) any {
	t.Helper()
	decode := func(into any) {
		t.Helper()
		if err := json.Unmarshal([]byte(x.Body), into); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{}
	add := func(list []wireName) {
		for _, name := range list {
			names = append(names, string(name))
		}
	}
	switch got.(type) {
	case *client.Response:
		var want wireResponse
		decode(&want)
		index, err := strconv.ParseUint(x.Headers["X-Etcd-Index"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		want.Index, want.ClusterID = index, x.Headers["X-Etcd-Cluster-Id"]
		return want
	case *client.Member:
		var want wireMember
		decode(&want)
		return want
	case []client.Member:
		var want struct{ Members []wireMember }
		decode(&want)
		return want.Members
	case *client.Role:
		var want wireRole
		decode(&want)
		return want
	case *client.Versions:
		var want map[string]string
		decode(&want)
		return want
	case *client.User:
		var want struct {
			User  wireName
			Roles []wireName
		}
		decode(&want)
		add([]wireName{want.User})
		add(want.Roles)
		return names
	case []string:
		var want wireNames
		decode(&want)
		add(want["users"])
		add(want["roles"])
		return names
	}
	return nil
}
