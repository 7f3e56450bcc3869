package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// errorBody is the commonest answer after a hit.
const errorBody = `{"errorCode":100,"message":"Key not found","cause":"/registry/services/nope","index":5398}` + "\n"

// BenchmarkDecodeError compares the decoding of an error document with
// encoding/json, in one run.
func BenchmarkDecodeError(b *testing.B) {
	b.Run("client", func(b *testing.B) {
		b.ReportAllocs()
		r := &reply{endpoint: "http://etcd:2379", status: http.StatusNotFound, body: []byte(errorBody)}
		for b.Loop() {
			if err := keysError(r); err == nil {
				b.Fatal("no error")
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		body := []byte(errorBody)
		for b.Loop() {
			var e Error
			if err := json.Unmarshal(body, &e); err != nil || e.Code == 0 {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDecodeMembers reads a document of the members API.
func BenchmarkDecodeMembers(b *testing.B) {
	body := []byte(`{"members":[{"id":"8e9e05c52164694d","name":"a","peerURLs":["http://a:2380"],"clientURLs":["http://a:2379"]},` +
		`{"id":"91bc3c398fb3c146","name":"b","peerURLs":["http://b:2380"],"clientURLs":["http://b:2379"]},` +
		`{"id":"fd422379fda50e48","name":"c","peerURLs":["http://c:2380"],"clientURLs":["http://c:2379"]}]}`)
	b.Run("client", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeMembers(&reply{status: http.StatusOK, body: body}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var document struct{ Members []Member }
			if err := json.Unmarshal(body, &document); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDecodeTree reads replies of the keys API.
func BenchmarkDecodeTree(b *testing.B) {
	value := func(i int) string { return fmt.Sprintf("value-%08d-abcdefgh", i) }
	for _, nodes := range []int{1, 100, 100_000} {
		body := treeJSON(nodes, 0, value)
		if nodes == 1 {
			body = []byte(`{"action":"set","node":` + leafJSON("/bench/key", value(1), 7) + `,"prevNode":` + leafJSON("/bench/key", value(2), 6) + "}\n")
		}
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			source := bytes.NewReader(body)
			for b.Loop() {
				source.Reset(body)
				if _, _, err := decodeTreeFrom(source, noLimit); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestKeysError_Allocations: "key not found" is the commonest answer after a hit. Its
// message, its cause and the error are an allocation each.
func TestKeysError_Allocations(t *testing.T) {
	r := &reply{endpoint: "http://etcd:2379", status: http.StatusNotFound, body: []byte(errorBody)}
	var err error
	if got := testing.AllocsPerRun(100, func() { err = keysError(r) }); got > 3 || !IsKeyNotFound(err) {
		t.Errorf("%v allocations, want at most 3; error %v", got, err)
	}
}
