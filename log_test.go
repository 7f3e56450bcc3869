package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// logbook is a Logger's output, without the time.
type logbook struct {
	mu   sync.Mutex // guards the field below
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSuffix(l.text.String(), "\n"), "\n")
}

func (l *logbook) logger(level slog.Level) *slog.Logger {
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime}))
}

func TestLogger(t *testing.T) {
	refused := errors.New("refused")
	synctest.Test(t, func(t *testing.T) {
		down := fakeAnswer{after: 5 * time.Millisecond, status: 503, body: "<html>the value of a key</html>"}
		f := script(t,
			down, down, down,
			fakeAnswer{notSent: true, err: refused}, fakeAnswer{body: setReply},
			fakeAnswer{err: io.EOF},
			fakeAnswer{header: "X-Etcd-Index: 3", breaks: io.ErrUnexpectedEOF}, eventAt(4),
			fakeAnswer{notSent: true, err: refused}, streamAt(7, 8),
			fakeAnswer{body: `{"members":[]}`},
			fakeAnswer{body: `{"members":[]}`},
		)
		var debug, warn logbook
		do := func(c client.Client) {
			kapi := client.NewKeysAPI(c)
			if _, err := kapi.Get(t.Context(), "/a b", nil); err == nil {
				t.Error("503 is an answer")
			}
			if _, err := kapi.Watcher("/a", nil).Next(t.Context()); err == nil {
				t.Error("nobody is an answer")
			}
			if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
				t.Error(err)
			}
			if _, err := kapi.Create(t.Context(), "/a", "1"); err == nil {
				t.Error("EOF is an answer")
			}
			if _, err := kapi.Watcher("/a", nil).Next(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := follow(t.Context(), kapi, 1, nil); err != nil {
				t.Error(err)
			}
			if err := c.Sync(t.Context()); err == nil {
				t.Error("there are members")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if err := c.AutoSync(ctx, time.Minute); !same(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		cfg := client.Config{Endpoints: []string{"http://a"}, Transport: f}
		cfg.Logger = slog.New(both{debug.logger(slog.LevelDebug).Handler(), warn.logger(slog.LevelWarn).Handler()})
		do(newClientOf(t, cfg))
		synctest.Wait()
		want := []string{
			`level=DEBUG msg="etcd endpoint failed" endpoint=http://a method=GET path=/v2/keys/a%20b attempt=1 sent=true status=503 duration=5ms error="client: http://a: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader)"`,
			`level=DEBUG msg="etcd endpoint is unhealthy" endpoint=http://a error="client: http://a: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader)"`,
			`level=DEBUG msg="etcd endpoint failed" endpoint=http://a method=GET path=/v2/keys/a%20b attempt=2 sent=true status=503 duration=5ms error="client: http://a: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader)"`,
			`level=DEBUG msg="etcd endpoint failed" endpoint=http://a method=GET path=/v2/keys/a%20b attempt=3 sent=true status=503 duration=5ms error="client: http://a: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader)"`,
			`level=WARN msg="etcd call failed on all endpoints" method=GET path=/v2/keys/a%20b attempts=3 error="client: etcd cluster is unavailable or misconfigured; error #0: http://a: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader); error #1: http://a: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader); error #2: http://a: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader)"`,
			`level=DEBUG msg="etcd endpoint failed" endpoint=http://a method=GET path=/v2/keys/a attempt=1 sent=false status=0 duration=0s error="dial tcp: refused"`,
			`level=WARN msg="etcd call failed on all endpoints" method=GET path=/v2/keys/a attempts=1 error="client: etcd cluster is unavailable or misconfigured; error #0: http://a: dial tcp: refused"`,
			`level=DEBUG msg="etcd endpoint is healthy again" endpoint=http://a`,
			`level=DEBUG msg="etcd endpoint is unhealthy" endpoint=http://a error=EOF`,
			`level=WARN msg="etcd write may have been applied" method=PUT path=/v2/keys/a attempts=1 error="client: etcd cluster is unavailable or misconfigured; error #0: http://a: EOF; the write may have been applied"`,
			`level=DEBUG msg="etcd watch restarted" path=/v2/keys/a pause=50ms`,
			`level=DEBUG msg="etcd endpoint is healthy again" endpoint=http://a`,
			`level=DEBUG msg="etcd endpoint failed" endpoint=http://a method=GET path=/v2/keys/a attempt=1 sent=false status=0 duration=0s error="dial tcp: refused"`,
			`level=DEBUG msg="etcd endpoint is unhealthy" endpoint=http://a error="dial tcp: refused"`,
			`level=WARN msg="etcd call failed on all endpoints" method=GET path=/v2/keys/a attempts=1 error="client: etcd cluster is unavailable or misconfigured; error #0: http://a: dial tcp: refused"`,
			`level=DEBUG msg="etcd watch restarted" path=/v2/keys/a pause=50ms error="client: etcd cluster is unavailable or misconfigured; error #0: http://a: dial tcp: refused"`,
			`level=DEBUG msg="etcd endpoint is healthy again" endpoint=http://a`,
			`level=WARN msg="etcd sync failed" error="client: no endpoints"`,
			`level=WARN msg="etcd sync failed" error="client: no endpoints" retry=1s`,
		}
		wantLines(t, debug.lines(), want...)
		wantLines(t, warn.lines(), slices.DeleteFunc(want, func(line string) bool { return strings.Contains(line, "DEBUG") })...)
	})
}

// both hands records to two handlers, each at its level.
type both struct{ one, other slog.Handler }

func (b both) Enabled(ctx context.Context, level slog.Level) bool {
	return b.one.Enabled(ctx, level) || b.other.Enabled(ctx, level)
}

func (b both) Handle(ctx context.Context, r slog.Record) error {
	var errs []error
	for _, h := range []slog.Handler{b.one, b.other} {
		if h.Enabled(ctx, r.Level) {
			errs = append(errs, h.Handle(ctx, r))
		}
	}
	return errors.Join(errs...)
}

func (b both) WithAttrs([]slog.Attr) slog.Handler { return b }
func (b both) WithGroup(string) slog.Handler      { return b }

// Passwords in all places where there may be one, values, and an endpoint that
// gives back what it was sent, in each of the ways to fail.
func TestLoggerTellsNoSecrets(t *testing.T) {
	const secret = "hunter2"
	secrets := []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte("root:" + secret)), base64.StdEncoding.EncodeToString([]byte("app:" + secret)), "Basic"}
	for name, answer := range map[string]func(*http.Request) fakeAnswer{
		"echo of the header": func(req *http.Request) fakeAnswer {
			return fakeAnswer{status: 500, body: fmt.Sprint(req.Header, req.URL)}
		},
		"echo of the body": func(*http.Request) fakeAnswer { return fakeAnswer{status: 502, body: "<html>" + secret} },
		"comparison": func(*http.Request) fakeAnswer {
			return fakeAnswer{status: 500, body: `{"errorCode":101,"message":"Compare failed","cause":"[` + secret + ` != x]"}`}
		},
		"broken value": func(*http.Request) fakeAnswer {
			return fakeAnswer{body: `{"action":"get","node":{"key":"/a","value":"` + secret, breaks: io.ErrUnexpectedEOF}
		},
		"no JSON":  func(*http.Request) fakeAnswer { return fakeAnswer{body: `{"action":"` + secret} },
		"not sent": func(*http.Request) fakeAnswer { return fakeAnswer{notSent: true} },
		"redirect": func(*http.Request) fakeAnswer {
			return fakeAnswer{status: 307, header: "Location: http://eve:" + secret + "@elsewhere/?" + secret}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var book logbook
			c := newClientOf(t, client.Config{
				Endpoints: []string{"http://app:" + secret + "@a", "http://b"}, Username: "root", Password: secret,
				Transport: newFakeTransport(t, answer), Logger: book.logger(slog.LevelDebug), StallInterval: -1,
			})
			kapi, users := client.NewKeysAPI(c), client.NewAuthUserAPI(c)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, setErr := kapi.Set(ctx, "/a", secret, &client.SetOptions{PrevValue: secret})
			_, getErr := kapi.Get(ctx, "/a", nil)
			_, changeErr := users.ChangePassword(ctx, "joe", secret)
			for _, err := range []error{setErr, getErr, changeErr, users.AddUser(ctx, "joe", secret), c.Sync(ctx)} {
				if err == nil {
					t.Error("it succeeded")
				}
			}
			text := strings.Join(book.lines(), "\n")
			for _, s := range secrets {
				if strings.Contains(text, s) {
					t.Errorf("%q is in\n%s", s, text)
				}
			}
			if !strings.Contains(text, "level=WARN") || !strings.Contains(text, "level=DEBUG") {
				t.Errorf("got %s", text)
			}
		})
	}
}
