package client

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// maxKept is what nodeStore promises that a leaf keeps alive, and as much
// again for what else the test and the runtime allocate meanwhile.
const maxKept = 100 << 10

// leafJSON is a file as servers write it.
func leafJSON(key, value string, index int) string {
	return fmt.Sprintf(`{"key":"%s","value":"%s","modifiedIndex":%d,"createdIndex":%d}`, key, value, index, index)
}

// dirJSON is a directory as servers write it.
func dirJSON(key string, children []string) string {
	return fmt.Sprintf(`{"key":"%s","dir":true,"nodes":[%s],"modifiedIndex":3,"createdIndex":3}`, key, strings.Join(children, ","))
}

// treeJSON is the reply to a recursive get of n files in so many directories, or
// in the one that was asked for.
func treeJSON(n, dirs int, value func(i int) string) []byte {
	var top, children []string
	for i := range n {
		key := fmt.Sprintf("/bench/key-%08d", i)
		if dirs > 0 {
			key = fmt.Sprintf("/bench/%05d/key-%08d", i*dirs/n, i)
		}
		children = append(children, leafJSON(key, value(i), 100_000+i))
		if dirs > 0 && (i+1)*dirs/n > i*dirs/n {
			top = append(top, dirJSON(fmt.Sprintf("/bench/%05d", i*dirs/n), children))
			children = nil
		}
	}
	return []byte(`{"action":"get","node":` + dirJSON("/bench", append(top, children...)) + "}\n")
}

// heapInUse returns how much is alive.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC() // twice: what a sync.Pool holds survives one
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestNodeStore_KeepsLittleAlive keeps one node of a large reply.
func TestNodeStore_KeepsLittleAlive(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes large trees for two seconds")
	}
	small := func(i int) string { return fmt.Sprintf("value-%08d", i) }
	hugeOrSmall := func(i int) string {
		if i%2 == 0 {
			return strings.Repeat("v", 40_000)
		}
		return small(i)
	}
	nearlyLong := func(int) string { return strings.Repeat("v", maxShared-20) }
	tree := func(n, dirs int, value func(int) string) func() []byte {
		return func() []byte { return treeJSON(n, dirs, value) }
	}
	lone := func(n *Node) *Node { return n }
	child := func(n *Node) *Node { return n.Nodes[len(n.Nodes)/2+1] }
	grandchild := func(n *Node) *Node { return child(child(n)) }
	tests := []struct {
		why  string
		body func() []byte
		keep func(*Node) *Node
	}{
		{"a leaf in one directory", tree(200_000, 0, small), child},
		{"a leaf in one of a thousand directories", tree(200_000, 1000, small), grandchild},
		{"a leaf in one of very many directories", tree(200_000, 50_000, small), grandchild},
		{"a directory of few leaves", tree(200_000, 50_000, small), child},
		{"a leaf among huge ones", tree(1000, 0, hugeOrSmall), child},
		{"a leaf among huge ones in directories", tree(1000, 100, hugeOrSmall), grandchild},
		{"a leaf with a value that is nearly long", tree(40_000, 0, nearlyLong), child},
		{
			"a node whose previous one is huge",
			func() []byte {
				return []byte(`{"action":"set","node":` + leafJSON("/a", "x", 7) + `,"prevNode":` + leafJSON("/a", strings.Repeat("v", 20<<20), 6) + `}`)
			},
			lone,
		},
		{
			"a leaf next to directories in directories",
			func() []byte {
				inner := treeJSON(200_000, 100, small)
				inner = inner[len(`{"action":"get","node":`) : len(inner)-len("}\n")]
				return []byte(`{"action":"get","node":` + dirJSON("/bench", []string{
					leafJSON("/bench/a", "x", 1), leafJSON("/bench/b", "x", 1),
					dirJSON("/bench/c", []string{string(inner)}),
					leafJSON("/bench/d", "x", 1), leafJSON("/bench/e", "x", 1),
				}) + `}`)
			},
			child,
		},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			body := tt.body()
			if len(body) < 19<<20 {
				t.Fatalf("a body of %d bytes is too small to show anything", len(body))
			}
			for how, decode := range map[string]func() (*Response, error){
				"from bytes": func() (*Response, error) { return decodeTreeBytes(body) },
				"read": func() (*Response, error) {
					resp, _, err := decodeTreeFrom(bytes.NewReader(body), noLimit)
					return resp, err
				},
			} {
				before := heapInUse()
				kept := func() *Node { // whose variables are dead when it is done
					resp, err := decode()
					if err != nil {
						t.Fatal(err)
					}
					return tt.keep(resp.Node)
				}()
				if after := heapInUse(); after-before > maxKept {
					t.Errorf("%s: %s keeps %d KiB alive", how, kept, (after-before)>>10)
				}
				runtime.KeepAlive(kept)
			}
			runtime.KeepAlive(body)
		})
	}
}

// TestTreeDecoderForgets sees that what is pooled holds nothing of a reply.
func TestTreeDecoderForgets(t *testing.T) {
	bodies := [][]byte{
		treeJSON(10_000, 100, func(int) string { return "x" }),
		[]byte(`{"action":"get","node":` + leafJSON("/a", strings.Repeat(`\"`, 1<<20), 1) + `}`),
		treeJSON(10_000, 0, func(int) string { return "x" })[:500_000],
	}
	d := treeDecoders.New().(*treeDecoder)
	for _, body := range bodies {
		d.open(bytes.NewReader(body), noLimit)
		if _, err := d.document(); (err == nil) != (len(body) != 500_000) {
			t.Fatal(err)
		}
		d.forget()
		switch {
		case len(d.window) != windowSize, cap(d.scratch) > maxPooledScratch, len(d.runs.chunks) > maxPooledChunks:
			t.Errorf("%d bytes of window, %d of scratch and %d runs are kept", len(d.window), cap(d.scratch), len(d.runs.chunks)*runChunk)
		case d.data != nil, d.source != nil, d.err != nil, d.slab != nil, d.times != nil, d.resp != Response{}, d.node.Nodes != nil, d.prevNode.Nodes != nil:
			t.Error("something of the reply is kept")
		}
		for _, a := range d.own[:cap(d.own)] {
			if a.into != nil || a.long != "" {
				t.Fatal("a string is kept")
			}
		}
		for _, run := range slices.Concat(d.runs.chunks...) {
			if run != nil {
				t.Fatal("children are kept")
			}
		}
	}
}

func TestTreeDecoderAllocations(t *testing.T) {
	value := func(i int) string { return fmt.Sprintf("value-%08d-abcdefgh", i) }
	lease := `{"action":"get","node":{"key":"/a","value":"x","expiration":"2026-01-01T00:00:00.5Z","ttl":5,"modifiedIndex":4,"createdIndex":4}}`
	tests := []struct {
		why   string
		body  []byte
		atMax float64 // allocations
	}{
		{"one node", []byte(`{"action":"get","node":` + leafJSON("/a", "x", 4) + `}`), 2},
		{"one node with a lease", []byte(lease), 3},
		{"a node and the previous one", []byte(`{"action":"set","node":` + leafJSON("/a", "x", 4) + `,"prevNode":` + leafJSON("/a", "y", 3) + `}`), 4},
		{"no node", []byte(`{"action":"set"}`), 1},
		{"an empty directory", []byte(`{"action":"get","node":{"dir":true}}`), 1},
		{"100 nodes", treeJSON(100, 0, value), 10},
		{"100,000 nodes", treeJSON(100_000, 0, value), 3000},
		{"100,000 nodes in 100 directories", treeJSON(100_000, 100, value), 3000},
		{"100,000 nodes in 1,000 directories", treeJSON(100_000, 1000, value), 3000},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			body := bytes.NewReader(tt.body)
			decode := map[string]func(){
				"from bytes": func() {
					if _, err := decodeTreeBytes(tt.body); err != nil {
						t.Error(err)
					}
				},
				"read": func() {
					body.Reset(tt.body)
					if _, _, err := decodeTreeFrom(body, noLimit); err != nil {
						t.Error(err)
					}
				},
			}
			for how, f := range decode {
				// A garbage collection empties the pool, and the race detector does
				// so at random: a new decoder is five allocations at times.
				atMax := tt.atMax
				if RaceDetector {
					atMax += 10
				}
				runs := 20
				if len(tt.body) > 1<<20 {
					runs = 1
				}
				got := testing.AllocsPerRun(runs, f)
				if got > atMax {
					t.Errorf("%s: %v allocations, want at most %v", how, got, atMax)
				}
				if len(tt.body) < 1<<20 {
					continue
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				f()
				runtime.ReadMemStats(&after)
				ratio := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(tt.body))
				t.Logf("%s: %v allocations, %.3f bytes per byte of body", how, got, ratio)
				if ratio > 1.4 {
					t.Errorf("%s: %.3f bytes are allocated per byte of body, want at most 1.4", how, ratio)
				}
			}
		})
	}
}

// TestTreeDecoderLargeValues decodes values larger than any window.
func TestTreeDecoderLargeValues(t *testing.T) {
	for _, size := range []int{
		maxShared - 9, maxShared - 8, maxShared - 1, maxShared, maxShared + 1, windowSize/2 - 2, windowSize/2 - 1, windowSize / 2, windowSize - 1,
		windowSize, windowSize + 1, 5 << 20,
	} {
		var plain strings.Builder
		for plain.Len() < size {
			fmt.Fprintf(&plain, "%d ", plain.Len())
		}
		value := plain.String()[:size]
		for what, written := range map[string]string{
			"plain":   value,
			"escaped": strings.ReplaceAll(value, " ", `\u0020`),
			"wide":    strings.ReplaceAll(value, " ", "é"),
		} {
			want := value
			if what == "wide" {
				want = written
			}
			body := []byte(`{"action":"get","node":` + dirJSON("/d", []string{leafJSON("/d/a", written, 1), leafJSON("/d/b", written, 2)}) + `}`)
			got, err := decodeTreeBytes(body)
			read, _, readErr := decodeTreeFrom(io.MultiReader(bytes.NewReader(body[:size/2]), bytes.NewReader(body[size/2:])), noLimit)
			if err != nil || readErr != nil || !isEqualResponse(got, read) || len(got.Node.Nodes) != 2 {
				t.Fatalf("%d bytes, %s: errors %v and %v", size, what, err, readErr)
			}
			for _, n := range got.Node.Nodes {
				if n.Value != want {
					t.Errorf("%d bytes, %s: another value of %d bytes", size, what, len(n.Value))
				}
			}
		}
	}
}
