package dump_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

func TestErrorsSayWhatItIsAbout(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	differ := []dump.Difference{{Key: "/a"}, {Key: "/b"}, {Key: "/c"}, {Key: "/d"}}
	for want, err := range map[string]error{
		`dump: line 7: it is bad`:      &dump.FormatError{Line: 7, Reason: "it is bad"},
		`dump: line 7: it is bad: EOF`: &dump.FormatError{Line: 7, Reason: "it is bad", Err: io.EOF},
		`dump: set "/a": EOF`:          &dump.StoreError{Op: "set", Key: "/a", Err: io.EOF},
		`dump: 1 node of the store is in the way: "/a" (a directory for a file)`: &dump.ConflictError{
			Total: 1, Conflicts: []dump.Conflict{{Key: "/a", Store: dump.Node{Dir: true}}},
		},
		`dump: the store holds 1 keys and 2 directories with sum abababab…, the dump 3 and 4 with abababab…: "/a", "/b", "/c", …`: &dump.VerifyError{
			Got: dump.Counts{Keys: 1, Directories: 2, SHA256: sum}, Want: dump.Counts{Keys: 3, Directories: 4, SHA256: sum}, Differences: differ,
		},
	} {
		if err.Error() != want {
			t.Errorf("got %s, want %s", err, want)
		}
	}
}

// answering is a KeysAPI whose Get has one answer.
type answering struct {
	client.KeysAPI
	node client.Node
}

func (a answering) Get(context.Context, string, *client.GetOptions) (*client.Response, error) {
	node := a.node
	return &client.Response{Action: "get", Node: &node, Index: 7}, nil
}

func TestStoresOfAnotherMake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := answering{keystest.New(), client.Node{Dir: true, Nodes: client.Nodes{
			{Key: "/b", TTL: 60}, {Key: "/a-b"}, {Key: "/a", Dir: true, Nodes: client.Nodes{{Key: "/a/c"}}},
		}}}
		var out strings.Builder
		if _, err := dump.Export(t.Context(), a, &out, dump.ExportOptions{SkipHistory: true}); err != nil {
			t.Fatal(err)
		}
		var keys []string
		for lines := dump.NewReader(strings.NewReader(out.String())); ; {
			rec, err := lines.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := rec.Node; n != nil {
				keys = append(keys, n.Key)
				if n.Key == "/b" && (n.Expiration == nil || time.Until(*n.Expiration) != time.Minute) {
					t.Errorf("got %+v", n)
				}
			}
		}
		if got := strings.Join(keys, " "); got != "/a /a/c /a-b /b" {
			t.Errorf("got %s", got)
		}

		a.node.Nodes[2].Value = "\xff" // they have been sorted
		if _, err := dump.Export(t.Context(), a, io.Discard, dump.ExportOptions{}); err == nil || !strings.Contains(err.Error(), `"/b" is not valid UTF-8`) {
			t.Errorf("got %v", err)
		}
		a.node.Key = "/prefix"
		if _, err := dump.Export(t.Context(), a, io.Discard, dump.ExportOptions{}); !isInvalid("KeysAPI")(err) {
			t.Errorf("got %v", err)
		}
	})
}
