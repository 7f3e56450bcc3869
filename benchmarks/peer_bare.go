package benchmarks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// bare is a program with net/http and encoding/json alone: one endpoint, no retry.
type bare struct {
	http               http.Client
	base               string
	username, password string
	reads              bool // it reads replies and decodes nothing
}

// newReading returns a bare that decodes nothing: what the wire alone takes.
func newReading(c config) (peer, error) {
	b := bareOf(c)
	b.reads = true
	return b, nil
}

func newBare(c config) (peer, error) { return bareOf(c), nil }

func bareOf(c config) *bare {
	b := &bare{base: c.endpoints[0] + "/v2/keys", username: c.username, password: c.password}
	if c.transport != nil {
		b.http.Transport = c.transport
	}
	return b
}

func (b *bare) get(ctx context.Context, key string) error {
	_, err := b.do(ctx, http.MethodGet, key, "", http.NoBody)
	return err
}

func (b *bare) getTree(ctx context.Context, key string) error {
	_, err := b.do(ctx, http.MethodGet, key, "?recursive=true", http.NoBody)
	return err
}

func (b *bare) set(ctx context.Context, key, value string) error {
	_, err := b.do(ctx, http.MethodPut, key, "", strings.NewReader(url.Values{"value": {value}}.Encode()))
	return err
}

func (b *bare) watch(key string, after uint64) func(context.Context) (uint64, error) {
	return func(ctx context.Context) (uint64, error) {
		query := "?recursive=true&wait=true&waitIndex=" + strconv.FormatUint(after+1, 10)
		event, err := b.do(ctx, http.MethodGet, key, query, http.NoBody)
		if err != nil {
			return 0, err
		}
		after = event.Node.ModifiedIndex
		return after, nil
	}
}

func (b *bare) answer(ctx context.Context, key string, recursive bool) (*document, error) {
	return b.do(ctx, http.MethodGet, key, "?recursive="+strconv.FormatBool(recursive), http.NoBody)
}

// do sends a request and returns the decoded reply, or an empty document where b
// decodes nothing.
func (b *bare) do(ctx context.Context, method, key, query string, body io.Reader) (*document, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.base+key+query, body)
	if err != nil {
		return nil, err
	}
	if method == http.MethodPut {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.username != "" {
		req.SetBasicAuth(b.username, b.password)
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if closing := resp.Body.Close(); err == nil {
		err = closing
	}
	var d document
	switch {
	case err != nil:
		return nil, err
	case b.reads && resp.StatusCode/100 == 2:
		return &d, nil
	case resp.StatusCode/100 != 2:
		var refused refusedError
		if err := json.Unmarshal(answer, &refused); err != nil {
			return nil, err
		}
		return nil, &refused
	}
	if err := json.Unmarshal(answer, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// refusedError is what etcd answers where it refuses a request.
type refusedError struct {
	Code    int    `json:"errorCode"`
	Message string `json:"message"`
	Cause   string `json:"cause"`
	Index   uint64 `json:"index"`
}

// Error implements error.
func (e *refusedError) Error() string {
	return fmt.Sprintf("benchmarks: error %d: %s (%s)", e.Code, e.Message, e.Cause)
}
