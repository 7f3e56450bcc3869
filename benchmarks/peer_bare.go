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

// bare is net/http and nothing else: it reads an answer, and decodes nothing.
type bare struct {
	http               http.Client
	base               string
	username, password string
}

func newBare(c config) (peer, error) {
	b := &bare{base: c.endpoints[0] + "/v2/keys", username: c.username, password: c.password}
	if c.transport != nil {
		b.http.Transport = c.transport
	}
	return b, nil
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

// watch counts where the others read: that is all that asking for the next event
// takes here.
func (b *bare) watch(key string, after uint64) func(context.Context) (uint64, error) {
	return func(ctx context.Context) (uint64, error) {
		after++
		query := "?recursive=true&wait=true&waitIndex=" + strconv.FormatUint(after, 10)
		_, err := b.do(ctx, http.MethodGet, key, query, http.NoBody)
		return after, err
	}
}

func (b *bare) answer(ctx context.Context, key string, recursive bool) (*document, error) {
	body, err := b.do(ctx, http.MethodGet, key, "?recursive="+strconv.FormatBool(recursive), http.NoBody)
	if err != nil {
		return nil, err
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

func (b *bare) do(ctx context.Context, method, key, query string, body io.Reader) ([]byte, error) {
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
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("benchmarks: %s %s: %s", method, key, resp.Status)
	}
	return answer, err
}
