package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// noLimit is more than any body of these tests.
const noLimit = 1 << 40

// sampleReply has everything that servers write, and what they could.
const sampleReply = ` {"action":"get","node":{"key":"/d","dir":true,"nodes":[
	{"key":"/d/a","value":"plain","modifiedIndex":12,"createdIndex":11},
	{"key":"/d/b","value":"esc \" \\ \/ \b\f\n\r\t \u0041 \ud83d\ude00 é 😀","expiration":"2026-01-01T00:00:00.123456789Z","ttl":5,"modifiedIndex":18446744073709551615,"createdIndex":1234567890},
	{"key":"/d/c","dir":true,"nodes":[{"key":"/d/c/x","value":"","modifiedIndex":1,"createdIndex":0}],"modifiedIndex":3,"createdIndex":3},
	{"key":"/d/e","dir":true,"nodes":[]},{"unknown":{"a":[1,-2.5e+3,true,false,null,"\u00e9"]},"key":"/d/f","ttl":-7}
	],"modifiedIndex":3,"createdIndex":3},"prevNode":{"key":"/d","value":null,"nodes":null}, "other" : "x" } ` + "\r\n"

// pieces returns a body in pieces of up to max bytes, now and then an empty one.
type pieces struct {
	body []byte
	max  int
	rand *rand.Rand
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.body) == 0 {
		return 0, io.EOF
	}
	n := copy(to, p.body[:min(len(p.body), p.rand.IntN(p.max+1))])
	p.body = p.body[n:]
	if len(p.body) == 0 && p.rand.IntN(2) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// readers are ways in which body may arrive.
func readers(body []byte) map[string]io.Reader {
	random := rand.New(rand.NewPCG(1, uint64(len(body))))
	return map[string]io.Reader{
		"whole":      bytes.NewReader(body),
		"bytes":      iotest.OneByteReader(bytes.NewReader(body)),
		"halves":     iotest.HalfReader(bytes.NewReader(body)),
		"early EOF":  iotest.DataErrReader(bytes.NewReader(body)),
		"few bytes":  &pieces{body, 7, random},
		"many bytes": &pieces{body, 3000, random},
	}
}

// decodeAllWays decodes body by both entry points, and fails unless all agree.
func decodeAllWays(t *testing.T, body []byte) (*Response, error) {
	t.Helper()
	before := bytes.Clone(body)
	want, wantErr := decodeTreeBytes(body)
	if (want == nil) == (wantErr == nil) {
		t.Errorf("got %+v with error %v", want, wantErr)
	}
	for how, r := range readers(body) {
		got, head, err := decodeTreeFrom(r, noLimit)
		switch {
		case !errors.Is(err, wantErr) || (got == nil) == (err == nil):
			t.Errorf("read as %s: got %+v and error %v, from bytes error %v", how, got, err, wantErr)
		case err == nil && head != nil, err != nil && !bytes.HasPrefix(body, head), len(head) > maxBodyInError:
			t.Errorf("read as %s: error %v with head %q", how, err, head)
		case err == nil && !isEqualResponse(got, want):
			t.Errorf("read as %s: got %s, from bytes %s", how, inJSON(got), inJSON(want))
		}
	}
	if !bytes.Equal(body, before) {
		t.Error("the body was written to")
	}
	return want, wantErr
}

// decodeByOracle is what encoding/json makes of body by this decoder's rules.
func decodeByOracle(body []byte) (*Response, error) {
	body = bytes.Trim(body, " \t\r\n")
	if len(body) == 0 {
		return nil, ErrEmptyBody
	}
	var r Response
	if body[0] != '{' || json.Unmarshal(body, &r) != nil || !isWholeNode(r.Node) || !isWholeNode(r.PrevNode) {
		return nil, ErrInvalidJSON
	}
	return &r, nil
}

func isEqualResponse(a, b *Response) bool {
	return a.Action == b.Action && isEqualNode(a.Node, b.Node) && isEqualNode(a.PrevNode, b.PrevNode)
}

// isEqualNode tells apart what isSameNode does not: nil and empty lists, and
// times that only are the same instant.
func isEqualNode(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Nodes, y.Nodes = nil, nil // for isSameNode, which would look at all below each time
	return isSameNode(&x, &y) && isEqualTime(a.Expiration, b.Expiration) &&
		(a.Nodes == nil) == (b.Nodes == nil) && slices.EqualFunc(a.Nodes, b.Nodes, isEqualNode)
}

func isEqualTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.String() == b.String() && (a.Location() == time.UTC) == (b.Location() == time.UTC)
}

func inJSON(r *Response) string {
	text, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// FuzzTreeDecoder holds the decoder against encoding/json. Bodies that name a
// field twice or in another case are left out: there the two differ.
func FuzzTreeDecoder(f *testing.F) {
	f.Add([]byte(sampleReply))
	for _, tt := range treeDocuments {
		f.Add([]byte(tt.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeAllWays(t, body)
		if err == nil && !json.Valid(body) {
			t.Fatal("accepted what is not JSON")
		}
		if hasTwistedNames(body) {
			return
		}
		want, wantErr := decodeByOracle(body)
		if !errors.Is(err, wantErr) {
			t.Fatalf("got error %v, want %v", err, wantErr)
		}
		if err == nil && !isEqualResponse(got, want) {
			t.Errorf("got %s, want %s", inJSON(got), inJSON(want))
		}
	})
}

// TestTreeDecoderWire decodes what real servers said.
func TestTreeDecoderWire(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "wire", "*.jsonl"))
	if err != nil || len(files) != 4 {
		t.Fatalf("recordings %v, error %v, want 4 files", files, err)
	}
	trees := 0
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(file))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var recorded struct{ Name, Body string }
			if err := json.Unmarshal(lines.Bytes(), &recorded); err != nil {
				t.Fatal(err)
			}
			got, err := decodeAllWays(t, []byte(recorded.Body))
			want, wantErr := decodeByOracle([]byte(recorded.Body))
			if !errors.Is(err, wantErr) || err == nil && !isEqualResponse(got, want) {
				t.Errorf("%s: %s: got %+v, %v, want %+v, %v", name, recorded.Name, got, err, want, wantErr)
			}
			if err == nil && got.Node != nil {
				trees++
			}
		}
		if lines.Err() != nil {
			t.Fatal(lines.Err())
		}
	}
	if trees < 100 {
		t.Errorf("only %d recorded replies have a node", trees)
	}
}

// TestTreeDecoderEveryCut cuts a body everywhere: into two reads, and off.
func TestTreeDecoderEveryCut(t *testing.T) {
	body := []byte(sampleReply)
	want, err := decodeByOracle(body)
	if err != nil {
		t.Fatal(err)
	}
	whole := len(bytes.TrimRight(body, " \r\n"))
	for cut := range body {
		two := io.MultiReader(bytes.NewReader(body[:cut]), bytes.NewReader(body[cut:]))
		if got, _, err := decodeTreeFrom(two, noLimit); err != nil || !isEqualResponse(got, want) {
			t.Errorf("in two reads of %d and %d bytes: got %+v, %v", cut, len(body)-cut, got, err)
		}
		if _, err := decodeAllWays(t, body[:cut]); (err == nil) != (cut >= whole) {
			t.Errorf("cut off after %d bytes of %d: got error %v", cut, whole, err)
		}
		broken := io.MultiReader(bytes.NewReader(body[:cut]), iotest.ErrReader(io.ErrUnexpectedEOF))
		got, head, err := decodeTreeFrom(broken, noLimit)
		if !isReadError(err) || !errors.Is(err, io.ErrUnexpectedEOF) || got != nil || !bytes.Equal(head, body[:min(cut, maxBodyInError)]) {
			t.Errorf("broken off after %d bytes: got %+v, %q, %v", cut, got, head, err)
		}
	}
}

func TestTreeDecoderLimit(t *testing.T) {
	body := []byte(sampleReply)
	if _, head, err := decodeTreeFrom(bytes.NewReader(body), int64(len(body))); err != nil || head != nil {
		t.Errorf("a body as long as the limit: got %q, %v", head, err)
	}
	for _, limit := range []int64{0, 1, 100, int64(len(body) - 1)} {
		_, _, err := decodeTreeFrom(iotest.OneByteReader(bytes.NewReader(body)), limit)
		if !isTooLarge(err) || isReadError(err) {
			t.Errorf("limit %d for %d bytes: got error %v", limit, len(body), err)
		}
	}
	endless := io.MultiReader(strings.NewReader(`{"action":"`), repeat("x"))
	_, head, err := decodeTreeFrom(endless, 1<<20)
	if !isTooLarge(err) || len(head) != maxBodyInError || err.Error() != ErrResponseTooLarge.Error()+" (1048576)" {
		t.Errorf("an endless string: got error %v, head of %d bytes", err, len(head))
	}
}

// repeat returns text for ever.
func repeat(text string) io.Reader { return &repeater{text, 0} }

type repeater struct {
	text string
	at   int
}

func (r *repeater) Read(to []byte) (int, error) {
	for i := range to {
		to[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(to), nil
}

func TestTreeDecoderReaders(t *testing.T) {
	const body = `{"action":"get","node":{"key":"/a"}}`
	errBroken := errors.New("broken")
	wrapped := struct{ error }{io.EOF}
	tests := []struct {
		why    string
		reader io.Reader
		is     error
		isRead bool
	}{
		{"broken at once", iotest.ErrReader(errBroken), errBroken, true},
		{"broken behind the document", io.MultiReader(strings.NewReader(body), iotest.ErrReader(errBroken)), errBroken, true},
		{"broken along with the last bytes", iotest.DataErrReader(io.MultiReader(strings.NewReader(body), iotest.ErrReader(errBroken))), errBroken, true},
		{"an error that wraps the end", io.MultiReader(strings.NewReader(body), iotest.ErrReader(wrapped)), wrapped, true},
		{"nothing, for ever", &pieces{body: []byte(body), rand: rand.New(rand.NewPCG(1, 1))}, io.ErrNoProgress, true},
		{"bad JSON, then broken", io.MultiReader(strings.NewReader(`{"action":get`), iotest.ErrReader(errBroken)), errBroken, true},
		{"no JSON in a body that goes on", io.MultiReader(strings.NewReader("<html>"), repeat(" ")), ErrInvalidJSON, false},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			got, _, err := decodeTreeFrom(tt.reader, noLimit)
			if got != nil || !errors.Is(err, tt.is) || isReadError(err) != tt.isRead {
				t.Errorf("got %+v, %v, want %v", got, err, tt.is)
			}
		})
	}
}
