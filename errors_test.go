package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
)

var errNotFound = client.Error{Code: client.ErrorCodeKeyNotFound, Message: "Key not found", Cause: "/a", Index: 7, StatusCode: 404, Endpoint: "http://etcd"}

func TestErrorTexts(t *testing.T) {
	tests := []struct {
		why  string
		err  error
		want string
	}{
		{"etcd's words", errNotFound, "100: Key not found (/a) [7]"},
		{"etcd's words on one line", client.Error{Code: 300, Message: "Raft Internal Error", Cause: "a\r\nb\nc"}, "300: Raft Internal Error (a b c) [0]"},
		{
			"a message", &client.ReplyError{Endpoint: "http://etcd", StatusCode: 409, Message: "auth: User joe already exists."},
			"client: http://etcd: 409 Conflict: auth: User joe already exists.",
		},
		{
			"a page", &client.ReplyError{Endpoint: "http://etcd", StatusCode: 502, Body: "<html>\n"},
			`client: http://etcd: 502 Bad Gateway: unexpected reply: body "<html>\n"`,
		},
		{
			"no JSON", &client.ReplyError{Endpoint: "http://etcd", StatusCode: 200, Body: "{", Err: client.ErrInvalidJSON},
			`client: http://etcd: 200 OK: not the JSON of an etcd reply: body "{"`,
		},
		{"nothing at all", &client.ReplyError{}, "client: unexpected reply"},
		{"input", &client.InvalidInputError{Field: "key", Value: "/..", Reason: "it leaves"}, `client: invalid key "/..": it leaves`},
		{"input that is not shown", &client.InvalidInputError{Field: "password", Reason: "it is not valid UTF-8"}, "client: invalid password: it is not valid UTF-8"},
		{
			"no attempt", &client.ClusterError{},
			"client: etcd cluster is unavailable or misconfigured",
		},
		{
			"attempts", clusterErrorOf(errors.New("refused"), errNotFound, nil),
			"client: etcd cluster is unavailable or misconfigured; error #0: http://e0: refused; error #1: http://e1: 100: Key not found (/a) [7]; error #2: http://e2: <nil>",
		},
		{
			"an attempt that names its endpoint", clusterErrorOf(&client.ReplyError{Endpoint: "http://e0", StatusCode: 503, Body: "busy"}),
			`client: etcd cluster is unavailable or misconfigured; error #0: http://e0: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader): body "busy"`,
		},
		{
			"an unknown outcome", &client.ClusterError{Errors: []error{errors.New("re\nset")}, OutcomeUnknown: true},
			"client: etcd cluster is unavailable or misconfigured; error #0: re set; the write may have been applied",
		},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got\n%s, want\n%s", got, tt.want)
			}
		})
	}
	detail := clusterErrorOf(errors.New("refused"), errNotFound).Detail()
	if want := "error #0: http://e0: refused\nerror #1: http://e1: 100: Key not found (/a) [7]\n"; detail != want {
		t.Errorf("Detail gives %q, want %q", detail, want)
	}
}

// clusterErrorOf makes what Do makes of attempts at http://e0, http://e1 and so on.
func clusterErrorOf(errs ...error) *client.ClusterError {
	ce := &client.ClusterError{Errors: errs}
	for i, err := range errs {
		ce.Attempts = append(ce.Attempts, client.Attempt{Endpoint: fmt.Sprintf("http://e%d", i), Err: err})
	}
	return ce
}

func TestErrorIsFoundWhereverItIs(t *testing.T) {
	for why, err := range map[string]error{
		"bare":                        errNotFound,
		"as a pointer":                &errNotFound,
		"wrapped":                     fmt.Errorf("reading: %w", errNotFound),
		"joined":                      errors.Join(errors.New("x"), errNotFound),
		"in a ClusterError":           clusterErrorOf(errors.New("x"), errNotFound),
		"in a wrapped ClusterError":   fmt.Errorf("reading: %w", clusterErrorOf(fmt.Errorf("reading: %w", errNotFound))),
		"in a ReplyError's own error": &client.ReplyError{Err: errNotFound},
	} {
		t.Run(why, func(t *testing.T) {
			var value client.Error
			if !errors.As(err, &value) || value != errNotFound {
				t.Errorf("as Error: got %+v", value)
			}
			var pointer *client.Error
			if !errors.As(err, &pointer) || *pointer != errNotFound {
				t.Errorf("as *Error: got %+v", pointer)
			}
			if !errors.Is(err, errNotFound) || !errors.Is(err, client.Error{Code: 100}) || !errors.Is(err, &client.Error{Code: 100, StatusCode: 404}) {
				t.Error("it is not itself, or not what has its code")
			}
			if !client.IsKeyNotFound(err) || client.IsNodeExist(err) {
				t.Error("the predicates don't see it")
			}
		})
	}
}

func TestErrorIsComparesWhatIsGiven(t *testing.T) {
	for _, other := range []error{
		client.Error{},
		client.Error{Code: 101},
		client.Error{Code: 100, Message: "x"},
		client.Error{Code: 100, Cause: "/b"},
		client.Error{Code: 100, Index: 8},
		client.Error{Code: 100, StatusCode: 500},
		client.Error{Code: 100, Endpoint: "http://b"},
		(*client.Error)(nil), client.ErrEmptyBody,
	} {
		if errors.Is(errNotFound, other) {
			t.Errorf("it is %#v", other)
		}
	}
	var other *client.ReplyError
	if errors.As(errNotFound, &other) {
		t.Errorf("it is a %T", other)
	}
}

func TestSentinelsAreFoundWhereverTheyAre(t *testing.T) {
	for _, sentinel := range []error{
		client.ErrInvalidJSON, client.ErrEmptyBody, client.ErrResponseTooLarge, client.ErrV2NotEnabled, client.ErrHeaderTimeout,
		client.ErrRedirectRefused, client.ErrTooManyRedirects, client.ErrNoRequest, client.ErrNoEndpoints, client.ErrNoLeaderEndpoint,
	} {
		err := fmt.Errorf("calling: %w", clusterErrorOf(errors.New("x"), &client.ReplyError{Err: fmt.Errorf("%w (5)", sentinel)}))
		if !errors.Is(err, sentinel) {
			t.Errorf("%v is not found in %v", sentinel, err)
		}
		if !strings.HasPrefix(sentinel.Error(), "client: ") {
			t.Errorf("%v does not say where it is from", sentinel)
		}
	}
}

func TestClusterErrorIsItsKind(t *testing.T) {
	known, unknown := clusterErrorOf(errors.New("x")), clusterErrorOf(errors.New("x"))
	unknown.OutcomeUnknown = true
	if !errors.Is(known, client.ErrClusterUnavailable) || !errors.Is(unknown, client.ErrClusterUnavailable) {
		t.Error("a ClusterError is not ErrClusterUnavailable")
	}
	if errors.Is(known, client.ErrOutcomeUnknown) || !errors.Is(unknown, client.ErrOutcomeUnknown) {
		t.Error("ErrOutcomeUnknown does not follow OutcomeUnknown")
	}
	if errors.Is(known, client.ErrEmptyBody) {
		t.Error("it is what none of its elements is")
	}
	if known.As(new(*client.ReplyError)) {
		t.Error("it holds what none of its elements is")
	}
}

// One slow endpoint must not look like the caller's own deadline.
func TestClusterErrorIsNeverTheCallersContext(t *testing.T) {
	err := fmt.Errorf("calling: %w", clusterErrorOf(
		context.DeadlineExceeded, context.Canceled, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, fmt.Errorf("x: %w", context.DeadlineExceeded),
	))
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("%v passes for the end of the caller's context", err)
	}
}

func TestHeaderTimeoutIsANetError(t *testing.T) {
	var netErr net.Error
	if !errors.As(clusterErrorOf(client.ErrHeaderTimeout), &netErr) || !netErr.Timeout() {
		t.Errorf("%v is not a net.Error that timed out", client.ErrHeaderTimeout)
	}
	if temporary, ok := netErr.(interface{ Temporary() bool }); !ok || !temporary.Temporary() {
		t.Errorf("%v is not temporary", client.ErrHeaderTimeout)
	}
	if errors.Is(client.ErrHeaderTimeout, context.DeadlineExceeded) {
		t.Error("it passes for the caller's own deadline")
	}
}

func TestPredicates(t *testing.T) {
	reply := func(status int, message string) error {
		return &client.ReplyError{Endpoint: "http://etcd", StatusCode: status, Message: message}
	}
	predicates := map[string]func(error) bool{
		"key not found": client.IsKeyNotFound, "node exists": client.IsNodeExist, "test failed": client.IsTestFailed,
		"index cleared": client.IsEventIndexCleared, "unauthorized": client.IsUnauthorized,
		"no user": client.IsUserNotFound, "no role": client.IsRoleNotFound,
	}
	tests := []struct {
		err error
		is  string
	}{
		{err: client.Error{Code: 100}, is: "key not found"},
		{err: client.Error{Code: 105}, is: "node exists"},
		{err: client.Error{Code: 101}, is: "test failed"},
		{err: client.Error{Code: 401}, is: "index cleared"},
		{err: client.Error{Code: 110, StatusCode: 401}, is: "unauthorized"},
		{err: reply(401, "Insufficient credentials"), is: "unauthorized"},
		{err: reply(404, "auth: User joe does not exist."), is: "no user"},
		{err: reply(404, "auth: User joe does not exist"), is: "no user"},
		{err: reply(404, "auth: Role rr doesn't exist."), is: "no role"},
		{err: reply(404, "auth: Role rr does not exist."), is: "no role"},
		{err: reply(409, "auth: User joe already exists.")},
		{err: reply(404, "etcd: user joe does not exist")},
		{err: reply(404, "")},
		{err: fmt.Errorf("auth: User %s does not exist", "joe")}, // only servers know
		{err: nil},
	}
	for _, tt := range tests {
		for name, predicate := range predicates {
			want := name == tt.is
			if got := predicate(tt.err); got != want {
				t.Errorf("%v is %s: %t", tt.err, name, got)
			}
			if tt.err == nil {
				continue
			}
			if got := predicate(fmt.Errorf("calling: %w", clusterErrorOf(errors.New("x"), tt.err))); got != want {
				t.Errorf("%v is %s, in a wrapped ClusterError: %t", tt.err, name, got)
			}
		}
	}
}

func TestErrorCodes(t *testing.T) {
	for got, want := range map[int]int{
		client.ErrorCodeKeyNotFound: 100, client.ErrorCodeTestFailed: 101, client.ErrorCodeNotFile: 102, client.ErrorCodeNoMorePeer: 103,
		client.ErrorCodeNotDir: 104, client.ErrorCodeNodeExist: 105, client.ErrorCodeKeyIsPreserved: 106, client.ErrorCodeRootROnly: 107,
		client.ErrorCodeDirNotEmpty: 108, client.ErrorCodeExistingPeerAddr: 109, client.ErrorCodeUnauthorized: 110,
		client.ErrorCodePrevValueRequired: 201, client.ErrorCodeTTLNaN: 202, client.ErrorCodeIndexNaN: 203, client.ErrorCodeValueOrTTLRequired: 204,
		client.ErrorCodeTimeoutNaN: 205, client.ErrorCodeNameRequired: 206, client.ErrorCodeIndexOrValueRequired: 207,
		client.ErrorCodeIndexValueMutex: 208, client.ErrorCodeInvalidField: 209, client.ErrorCodeInvalidForm: 210,
		client.ErrorCodeRefreshValue: 211, client.ErrorCodeRefreshTTLRequired: 212,
		client.ErrorCodeRaftInternal: 300, client.ErrorCodeLeaderElect: 301,
		client.ErrorCodeWatcherCleared: 400, client.ErrorCodeEventIndexCleared: 401, client.ErrorCodeStandbyInternal: 402,
		client.ErrorCodeInvalidActiveSize: 403, client.ErrorCodeInvalidRemoveDelay: 404, client.ErrorCodeClientInternal: 500,
	} {
		if got != want {
			t.Errorf("a code is %d, want %d", got, want)
		}
	}
}

// What the network says may have line breaks; the text of an error is one line.
func TestErrorsOfCallsAreOneLineWithoutSecrets(t *testing.T) {
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		switch req.URL.Host {
		case "a":
			return fakeAnswer{err: errors.New("proxy says:\r\nno")}
		case "b":
			return fakeAnswer{body: "<html>\n", breaks: errors.New("line\nbreak")}
		default:
			return fakeAnswer{status: http.StatusInternalServerError, body: `{"message":"two\nlines"}`}
		}
	})
	c := newClient(t, f, "http://root:secret@a", "http://root:secret@b", "http://root:secret@c")
	_, getErr := client.NewKeysAPI(c).Get(t.Context(), "/a", nil)
	addErr := client.NewAuthUserAPI(c).AddUser(t.Context(), "joe", "secret\xff")
	putErr := client.NewAuthUserAPI(c).AddUser(t.Context(), "joe", "secret")
	for _, err := range []error{getErr, addErr, putErr} {
		if err == nil || strings.ContainsAny(err.Error(), "\r\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %q", err)
		}
	}
	if !strings.HasPrefix(getErr.Error(), "client: etcd cluster is unavailable or misconfigured; error #0: ") {
		t.Errorf("got %q", getErr)
	}
}

func TestCallersContextComesBare(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithTimeout(t.Context(), 0)
	defer cancelLate()
	kapi := client.NewKeysAPI(newClient(t, script(t), "http://a", "http://b"))
	if _, err := kapi.Get(canceled, "/a", nil); !same(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := kapi.Set(late, "/a", "1", nil); !same(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}

	// The same when it ends in the middle of a request, even after others failed.
	ctx, cancelInside := context.WithCancel(t.Context())
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if req.Method == http.MethodGet {
			cancelInside()
		}
		return fakeAnswer{silent: req.Method == http.MethodGet, notSent: req.Method != http.MethodGet}
	})
	kapi = client.NewKeysAPI(newClient(t, f, "http://a", "http://b"))
	if _, err := kapi.Get(ctx, "/a", nil); !same(err, context.Canceled) {
		t.Errorf("in the middle: got %v", err)
	}
}
