package client_test

import (
	"testing"

	"github.com/coreos/etcd/client"
)

func TestResumeIndex(t *testing.T) {
	at := func(index uint64, nodes ...*client.Node) *client.Node {
		return &client.Node{Key: "/a", ModifiedIndex: index, Nodes: nodes}
	}
	tests := []struct {
		name string
		resp *client.Response
		want uint64
	}{
		{"get", &client.Response{Action: "get", Index: 20, Node: at(7)}, 20},
		{"recursive get", &client.Response{Action: "get", Index: 20, Node: at(7, at(9))}, 20},
		{"Modify that left what is missing", &client.Response{Action: "get", Index: 20}, 20},
		{"set", &client.Response{Action: "set", Index: 20, Node: at(20)}, 20},
		{"set of which a proxy dropped the index", &client.Response{Action: "set", Node: at(20)}, 20},
		{"set without value", &client.Response{Action: "set", Index: 20}, 20},
		{"new event", &client.Response{Action: "set", Index: 10, Node: at(20)}, 20},
		{"event of the history", &client.Response{Action: "expire", Index: 30, Node: at(20)}, 20},
		{"get of which a proxy dropped the index", &client.Response{Action: "get", Node: at(7, at(9), nil, at(8))}, 9},
		{"root of which a proxy dropped the index", &client.Response{Action: "get", Node: at(0)}, 1},
		{"nothing known", &client.Response{}, 1},
		{"event without index", &client.Response{Action: "set", Node: at(0)}, 1},
		{"nil", nil, 1},
	}
	for _, tt := range tests {
		if got := tt.resp.ResumeIndex(); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
