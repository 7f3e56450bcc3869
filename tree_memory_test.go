package client

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

// allocatedBy returns how much f allocates, and what it returns.
func allocatedBy(f func() error) (int64, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	err := f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc), err
}

// TestTreeDecoder_MemoryOverTheBound: what is refused for its size costs at most 2.2
// times the bound until then.
func TestTreeDecoder_MemoryOverTheBound(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes large bodies for more than a second")
	}
	const bound = 8 << 20
	begin := func(text string, then io.Reader) io.Reader { return io.MultiReader(strings.NewReader(text), then) }
	inNodes := `{"action":"get","node":{"key":"/d","dir":true,"nodes":[{"key":"/d/a","value":"x"}`
	nearlyAll := strings.Repeat("v", bound*9/10)
	escaped := strings.Repeat(`\"`, bound*9/20)
	tests := []struct {
		why  string
		body io.Reader
	}{
		{"one value", begin(inNode(`"value":"`)[:len(inNode(`"value":"`))-2], repeat("x"))},
		{"one key", begin(`{"action":"get","node":{"key":"`, repeat("x"))},
		{"one value of escapes", begin(`{"action":"get","node":{"key":"/a","value":"`, repeat(`\"`))},
		{"one value of surrogate pairs", begin(`{"action":"get","node":{"key":"/a","value":"`, repeat(`\ud83d\ude00`))},
		{"one value beyond ASCII", begin(`{"action":"get","node":{"key":"/a","value":"`, repeat(`ü€😀`))},
		{"one value of bytes that are not UTF-8", begin(`{"action":"get","node":{"key":"/a","value":"`, repeat("\xff"))},
		{"a value that fits, and nodes", begin(`{"action":"get","node":{"key":"/a","value":"`+nearlyAll+`","nodes":[{"key":"a"}`, repeat(`,{"key":"a"}`))},
		{"a value of escapes that fits, and another", begin(`{"action":"get","node":{"key":"/a","value":"`+escaped+`","x":"`, repeat(`x`))},
		{"a key and a value", begin(`{"action":"get","node":{"key":"`+strings.Repeat("k", bound/2)+`","value":"`, repeat("v"))},
		{"values of 100 KB", begin(inNodes, repeat(`,{"key":"a","value":"`+strings.Repeat("v", 100_000)+`"}`))},
		{"values of 20 KB", begin(inNodes, repeat(`,{"key":"a","value":"`+strings.Repeat("v", 20_000)+`"}`))},
		{"values of 600 bytes", begin(inNodes, repeat(`,{"key":"a","value":"`+strings.Repeat("v", 600)+`"}`))},
		{"an action", begin(`{"action":"`, repeat("x"))},
		{"an unknown value", begin(`{"x":"`, repeat("x"))},
		{"an unknown name", begin(`{"`, repeat("x"))},
		{"a number", begin(`{"x":1`, repeat("1"))},
		{"white space", repeat(" ")},
		{"nodes of a server", begin(inNodes, repeat(`,{"key":"/d/a","value":"x","modifiedIndex":4,"createdIndex":4}`))},
		{"the least nodes", begin(inNodes, repeat(`,{"key":"a"}`))},
		{"the least nodes with a time", begin(inNodes, repeat(`,{"key":"a","expiration":"2026-01-01T00:00:00Z"}`))},
		{"the least directories", begin(inNodes, repeat(`,{"key":"a","nodes":[]}`))},
		{"directories of one node", begin(inNodes, repeat(`,{"key":"a","nodes":[{"key":"b"}]}`))},
		{"nested nodes", begin(`{"action":"get","node":{"key":"a"`, repeat(`,"nodes":[{"key":"a"`))},
		{"nested arrays", begin(`{"x":`, repeat("["))},
		{"nested objects", begin(`{"x":`, repeat(`{"a":`))},
		{"children named twice", begin(`{"action":"get","node":{"key":"a"`, repeat(`,"nodes":[{"key":"a"},{"key":"b"}]`))},
		{"values named twice", begin(`{"action":"get","node":{"key":"a"`, repeat(`,"value":"`+strings.Repeat("v", 600)+`"`))},
		{"nodes named twice", begin(`{"action":"get"`, repeat(`,"node":{"key":"a"}`))},
		{"times named twice", begin(`{"action":"get","node":{"key":"a"`, repeat(`,"expiration":"2026-01-01T00:00:00Z"`))},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			got, err := allocatedBy(func() error {
				_, _, err := decodeTreeFrom(tt.body, bound)
				return err
			})
			if !isTooLarge(err) && !errors.Is(err, ErrInvalidJSON) {
				t.Fatalf("got error %v", err)
			}
			ratio := float64(got) / bound
			t.Logf("%.2f times the bound: %v", ratio, err)
			if ratio > 2.2 {
				t.Errorf("it costs %.2f times the bound, want at most 2.2", ratio)
			}
		})
	}
}

// TestTreeDecoder_MemoryOfNodes: replies of real servers fit, whatever their nodes
// are like, into what a reply may take; so no reply within the bound is refused.
func TestTreeDecoder_MemoryOfNodes(t *testing.T) {
	leaf := func(key string) string { return leafJSON(key, "", 4) }
	tests := []struct {
		why  string
		node func(i int) string
	}{
		{"empty files", func(int) string { return leaf("/d/a") }},
		{"files of 20 KB", func(int) string { return leafJSON("/d/a", strings.Repeat("v", 20_000), 4) }},
		{"files of 600 bytes", func(int) string { return leafJSON("/d/a", strings.Repeat("v", 600), 4) }},
		{"directories of one file", func(int) string { return dirJSON("/d/a", []string{leaf("/d/a/b")}) }},
		{"files with a lease", func(int) string {
			return `{"key":"/d/a","value":"","expiration":"2026-01-01T00:00:00.5Z","ttl":5,"modifiedIndex":4,"createdIndex":4}`
		}},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			nodes := []string{tt.node(0)}
			for size := len(nodes[0]); size < 8<<20; size += len(nodes[0]) + 1 {
				nodes = append(nodes, tt.node(len(nodes)))
			}
			body := []byte(`{"action":"get","node":` + dirJSON("/d", nodes) + `}`)
			got, err := allocatedBy(func() error {
				_, _, err := decodeTreeFrom(bytes.NewReader(body), int64(len(body)))
				return err
			})
			ratio := float64(got) / float64(len(body))
			if err != nil || ratio > 2.2 {
				t.Errorf("%.2f bytes per byte of body, error %v", ratio, err)
			}
			t.Logf("%.2f bytes per byte of body", ratio)
		})
	}
}

// TestTreeDecoder_LeastNodes: a body of 400,000 nodes of 12 bytes takes 104 bytes for
// each, which is what a Node and the pointer to it are. It is refused where the bound
// is not much more than the body.
func TestTreeDecoder_LeastNodes(t *testing.T) {
	if nodeSize != unsafe.Sizeof(Node{}) || pointerSize != unsafe.Sizeof(&Node{}) {
		t.Errorf("a Node takes %d bytes and a pointer %d", unsafe.Sizeof(Node{}), unsafe.Sizeof(&Node{}))
	}
	const nodes = 400_000
	body := []byte(`{"action":"get","node":{"key":"/d","dir":true,"nodes":[{"key":"a"}` + strings.Repeat(`,{"key":"a"}`, nodes-1) + `]}}`)
	_, err := allocatedBy(func() error {
		_, _, err := decodeTreeFrom(bytes.NewReader(body), int64(len(body)))
		return err
	})
	if !isTooLarge(err) {
		t.Errorf("with a bound as long as the body: got error %v", err)
	}
	got, err := allocatedBy(func() error {
		_, _, decodeErr := decodeTreeFrom(bytes.NewReader(body), 10*int64(len(body)))
		return decodeErr
	})
	each := float64(got) / nodes
	t.Logf("%.1f bytes for each node", each)
	if err != nil || each > 110 {
		t.Errorf("%.1f bytes for each node, error %v", each, err)
	}
}
