package benchmarks

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"
)

// text writes an answer so that it can be compared.
func text(t *testing.T, d *document) string {
	t.Helper()
	written, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(written)
}

func TestAllGetTheSameAnswer(t *testing.T) {
	b := newBench(t)
	s, err := b.stub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, leave, err := guests(s.endpoints[0], makers())
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	const nodes = 2100 // the last directory is not full
	keys := map[string][]byte{smallKey: smallGet(), stubTreeKey(nodes): tree(nodes)}
	for key, body := range keys {
		var want document
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		for _, g := range all {
			got, err := g.answer(t.Context(), key, true)
			if err != nil {
				t.Fatalf("%s: %v", g.name, err)
			}
			if text(t, got) != text(t, &want) {
				t.Errorf("%s: another answer for %s", g.name, key)
			}
		}
		for _, d := range decoders() {
			var got document
			if err := d.decode(body, &got); err != nil {
				t.Fatalf("%s: %v", d.name, err)
			}
			if text(t, &got) != text(t, &want) {
				t.Errorf("%s: another answer for %s", d.name, key)
			}
		}
	}
}

// A listener is a canned transport that keeps what was asked.
type listener struct {
	*canned
	asked []string
}

func (l *listener) RoundTrip(req *http.Request) (*http.Response, error) {
	asked := req.Method + " " + req.URL.Path
	if req.URL.Query().Get("recursive") == "true" {
		asked += " recursive"
	}
	if req.Body != nil && req.Body != http.NoBody {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		asked += " " + string(body)
	}
	user, password, _ := req.BasicAuth()
	l.asked = append(l.asked, asked+" "+user+":"+password)
	return l.canned.RoundTrip(req)
}

func TestAllAskTheSame(t *testing.T) {
	want := []string{
		"GET /v2/keys/services/web root:secret",
		"GET /v2/keys/services recursive root:secret",
		"PUT /v2/keys/services/web value=10.0.42.17%3A8080 root:secret",
	}
	for _, m := range makers() {
		c := loadedVariant().config
		l := &listener{canned: newCanned(smallGet())}
		c.transport = l
		p, err := m.make(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			p.get(t.Context(), smallKey), p.getTree(t.Context(), treeKey), p.set(t.Context(), smallKey, "10.0.42.17:8080"),
		} {
			if err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
		}
		if !slices.Equal(l.asked, want) {
			t.Errorf("%s asks %q, want %q", m.name, l.asked, want)
		}
	}
}

func TestEventsAreAsEtcdWritesThem(t *testing.T) {
	var d document
	if err := json.Unmarshal(appendEvent(nil, 4217), &d); err != nil {
		t.Fatal(err)
	}
	if d.Node.Key != eventKey+"/k1" || d.Node.ModifiedIndex != 4217 || d.PrevNode.ModifiedIndex != 4209 || d.PrevNode.Key != d.Node.Key {
		t.Errorf("got %s", text(t, &d))
	}
}

func TestCannedAllocatesNothing(t *testing.T) {
	c := newCanned(smallGet())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, cannedEndpoint+"/v2/keys"+smallKey, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	into, want := make([]byte, 1024), len(smallGet())
	allocs := testing.AllocsPerRun(100, func() {
		resp, err := c.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := resp.Body.Read(into); n != want {
			t.Fatalf("read %d bytes", n)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
