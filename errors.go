package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Codes of the keys API, as [Error] carries them in Code. Those marked historic
// are sent by no server since 2.0; they are here so that every code has a name.
// Source: etcd v2 API documentation, "Error Codes".
const (
	ErrorCodeKeyNotFound          = 100 // the key, or a directory on its way, does not exist
	ErrorCodeTestFailed           = 101 // the node has another value or index than the condition wants
	ErrorCodeNotFile              = 102 // the key is a directory
	ErrorCodeNoMorePeer           = 103 // historic: the cluster is full
	ErrorCodeNotDir               = 104 // an element on the key's way is a file
	ErrorCodeNodeExist            = 105 // the key was to be created and exists
	ErrorCodeKeyIsPreserved       = 106 // the key is reserved for the server
	ErrorCodeRootROnly            = 107 // the root can't be written or deleted
	ErrorCodeDirNotEmpty          = 108 // a directory with children needs a recursive delete
	ErrorCodeExistingPeerAddr     = 109 // the peer address is taken
	ErrorCodeUnauthorized         = 110 // credentials are missing, wrong or not sufficient
	ErrorCodePrevValueRequired    = 201 // prevValue is empty
	ErrorCodeTTLNaN               = 202 // ttl is not a number
	ErrorCodeIndexNaN             = 203 // prevIndex or waitIndex is not a number
	ErrorCodeValueOrTTLRequired   = 204 // historic: neither value nor ttl
	ErrorCodeTimeoutNaN           = 205 // historic: timeout is not a number
	ErrorCodeNameRequired         = 206 // historic: name is missing
	ErrorCodeIndexOrValueRequired = 207 // historic: neither index nor value
	ErrorCodeIndexValueMutex      = 208 // historic: both index and value
	ErrorCodeInvalidField         = 209 // a parameter has a value the server does not take
	ErrorCodeInvalidForm          = 210 // the form can't be read
	ErrorCodeRefreshValue         = 211 // a refresh carries a value
	ErrorCodeRefreshTTLRequired   = 212 // a refresh carries no TTL
	ErrorCodeRaftInternal         = 300 // the cluster could not decide; Cause has the reason
	ErrorCodeLeaderElect          = 301 // an election is going on
	ErrorCodeWatcherCleared       = 400 // the server dropped the watch
	ErrorCodeEventIndexCleared    = 401 // the wanted index is older than the server's history
	ErrorCodeStandbyInternal      = 402 // historic: a standby failed
	ErrorCodeInvalidActiveSize    = 403 // historic: bad active size
	ErrorCodeInvalidRemoveDelay   = 404 // historic: bad remove delay
	ErrorCodeClientInternal       = 500 // historic: the client failed
)

// Errors that can be compared with errors.Is, wherever they are wrapped.
var (
	// ErrNoEndpoints means that New or SetEndpoints got an empty list, or that
	// Sync found a cluster without any usable client URL.
	ErrNoEndpoints = errors.New("client: no endpoints")

	// ErrTooManyRedirects means that an endpoint redirected the request more often
	// than [DefaultCheckRedirect] allows. It counts as a failure of that
	// endpoint, so it is seen inside a [*ClusterError].
	ErrTooManyRedirects = errors.New("client: too many redirects")

	// ErrClusterUnavailable holds, by errors.Is, for every [*ClusterError]: none of
	// the endpoints that could be tried gave a usable answer.
	ErrClusterUnavailable = errors.New("client: etcd cluster is unavailable or misconfigured")

	// ErrNoLeaderEndpoint is kept for programs that compare with it. This
	// client never returns it: without a leader it uses any endpoint.
	ErrNoLeaderEndpoint = errors.New("client: no endpoint is the leader's")

	// ErrNoRequest means that an [HTTPAction] returned no request.
	ErrNoRequest = errors.New("client: the action made no HTTP request")

	// ErrInvalidJSON is the Err of a [*ReplyError] whose body was to be JSON of
	// a known form and was not.
	ErrInvalidJSON = errors.New("client: not the JSON of an etcd reply")

	// ErrEmptyBody is the Err of a [*ReplyError] whose body was empty and must
	// not be.
	ErrEmptyBody = errors.New("client: empty body")

	// ErrResponseTooLarge is the Err of a [*ReplyError] whose body is larger
	// than Config.MaxResponseBytes, or has nodes that would take more than about
	// twice as much memory; for members, users, roles and versions the bound is 4
	// MiB. No other endpoint is asked.
	ErrResponseTooLarge = errors.New("client: reply is larger than Config.MaxResponseBytes")

	// ErrOutcomeUnknown holds, by errors.Is, for the [*ClusterError] of a write
	// that may or may not have been applied: the request may have been sent, and no
	// answer that shows the outcome came back. A write that failed with another
	// [*ClusterError] was not applied.
	ErrOutcomeUnknown = errors.New("client: the write may have been applied")

	// ErrV2NotEnabled holds for replies of servers that don't serve the v2 API:
	// etcd 3.4 and 3.5 without --enable-v2, and etcd 3.6 and later. Such a reply is
	// a failure of that endpoint, so it is seen inside a [*ClusterError].
	ErrV2NotEnabled = errors.New("client: the v2 API is not enabled on this server (--enable-v2)")

	// ErrHeaderTimeout is how an attempt fails in which the endpoint sent no
	// reply header within Config.HeaderTimeoutPerRequest. It implements
	// net.Error with Timeout() true, and is not context.DeadlineExceeded: that
	// error always means the caller's own context.
	ErrHeaderTimeout error = headerTimeoutError{}

	// ErrRedirectRefused is how an attempt fails whose redirect would carry a
	// write to a host that is none of the client's endpoints, from https to
	// http, or to something that is not HTTP; and how a Sync fails whose list of
	// members is from such a host.
	ErrRedirectRefused = errors.New("client: redirect refused")

	// ErrStalled is how an attempt fails whose endpoint has stopped answering:
	// no header, or no more of the body, within Config.StallInterval, and no answer
	// to a probe (GET /health) either. It is also how an attempt is given up whose
	// connection is silent for two intervals while the endpoint answers on new ones.
	ErrStalled = errors.New("client: the endpoint has stopped answering")

	// ErrOverdue is how an attempt is given up at an endpoint that is alive, when
	// half of the time to the context's deadline is over: for calls that may be
	// repeated, and where another endpoint is left, so that it has the time to
	// answer. (A member loses what it has passed on to a leader that dies, and
	// answers with an error after 6 seconds.)
	ErrOverdue = errors.New("client: the answer is overdue, though the endpoint is alive")

	// ErrNoQuorum is how a watch or read is given up at a member that is cut off
	// from its cluster, according to its /health, when another member is not.
	ErrNoQuorum = errors.New("client: the member is cut off from its cluster")

	// ErrClusterIDChanged is the Err of a [*ReplyError] by which a watch ends
	// whose endpoint belongs to another cluster than before: the indexes of one
	// mean nothing in the other.
	ErrClusterIDChanged = errors.New("client: the cluster ID has changed")

	errNilContext = &InvalidInputError{Field: "context", Reason: "it is nil"}
	errNilClient  = &InvalidInputError{Field: "Client", Reason: "it is nil"}
)

type headerTimeoutError struct{}

func (headerTimeoutError) Error() string {
	return "client: no reply header within Config.HeaderTimeoutPerRequest"
}
func (headerTimeoutError) Timeout() bool   { return true }
func (headerTimeoutError) Temporary() bool { return true }

// Error is the answer of the keys API to a request that it understood and did
// not carry out; with a status of 5xx, which is seen inside a [*ClusterError], it may
// have. It is returned by value and unwrapped, as err.(client.Error)
// expects; errors.As finds it as Error and as *Error, wrapped or inside a
// [*ClusterError].
type Error struct {
	Code    int    `json:"errorCode"` // one of the ErrorCode constants
	Message string `json:"message"`   // the code in the server's words
	Cause   string `json:"cause"`     // a key, the failed comparison, or the inner error
	Index   uint64 `json:"index"`     // the store's index at that time; 0 where the server sends none

	StatusCode int    `json:"-"` // HTTP status of the reply; 0 when the client refused the call itself
	Endpoint   string `json:"-"` // which endpoint answered, without credentials
}

// Error returns code, message, cause and index on one line.
func (e Error) Error() string {
	return oneLine(fmt.Sprintf("%d: %s (%s) [%d]", e.Code, e.Message, e.Cause, e.Index))
}

// As lets errors.As work for targets of type *Error and **Error alike.
func (e Error) As(target any) bool {
	switch t := target.(type) {
	case **Error:
		*t = &e
	case *Error:
		*t = e
	default:
		return false
	}
	return true
}

// Is reports whether target is an Error or *Error with the same code, and with
// the same values in those of its other fields that are not zero. So
// errors.Is(err, client.Error{Code: client.ErrorCodeNotDir}) compares the code.
func (e Error) Is(target error) bool {
	var want Error
	switch t := target.(type) {
	case Error:
		want = t
	case *Error:
		if t == nil {
			return false
		}
		want = *t
	default:
		return false
	}
	return e.Code == want.Code &&
		(want.Message == "" || want.Message == e.Message) &&
		(want.Cause == "" || want.Cause == e.Cause) &&
		(want.Index == 0 || want.Index == e.Index) &&
		(want.StatusCode == 0 || want.StatusCode == e.StatusCode) &&
		(want.Endpoint == "" || want.Endpoint == e.Endpoint)
}

// ReplyError is any other reply that is not the answer a call needs: an error
// of the members, auth or version API, the page of a proxy, or a body that is
// not of etcd's form. A call returns it where etcd has answered: with a 4xx status
// etcd refused the call, with a 2xx status it carried it out and the rest of its
// reply was lost, is too large or makes no sense. Otherwise it is seen inside a
// [*ClusterError].
type ReplyError struct {
	Endpoint   string // which endpoint answered, without credentials
	StatusCode int    // HTTP status
	Message    string // the server's message, when it sent {"message": …}
	Body       string // the first 512 bytes of a body of another form, whatever they hold
	Err        error  // ErrInvalidJSON, ErrEmptyBody, ErrResponseTooLarge, ErrV2NotEnabled, a read error, or nil
}

// noLeaderHint is added to the text of replies with status 500 and 503 in which etcd
// does not name the reason. Programs look for "has no leader".
const noLeaderHint = " (perhaps etcd has no leader)"

// Error returns endpoint, status, message and the beginning of the body, on one line.
// For a reply of status 500 or 503 in which etcd does not name the reason, it has the
// words "perhaps etcd has no leader".
func (e *ReplyError) Error() string {
	var b strings.Builder
	b.WriteString("client: ")
	if e.Endpoint != "" {
		b.WriteString(e.Endpoint + ": ")
	}
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, "%d %s: ", e.StatusCode, http.StatusText(e.StatusCode))
	}
	switch {
	case e.Message != "":
		b.WriteString(e.Message)
	case e.Err != nil:
		b.WriteString(strings.TrimPrefix(e.Err.Error(), "client: "))
	default:
		b.WriteString("unexpected reply")
	}
	if e.mayLackLeader() {
		b.WriteString(noLeaderHint)
	}
	if e.Body != "" {
		fmt.Fprintf(&b, ": body %q", e.Body)
	}
	return oneLine(b.String())
}

// mayLackLeader reports whether the reply may be that of a member without a leader:
// such a member answers the members and auth APIs with {"message":"Internal Server
// Error"}, and a proxy before it with a page of its own.
func (e *ReplyError) mayLackLeader() bool {
	return (e.StatusCode == http.StatusInternalServerError || e.StatusCode == http.StatusServiceUnavailable) && !isEtcdMessage(e.Message)
}

// oneLine returns text with spaces in place of line breaks.
func oneLine(text string) string {
	return strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(text)
}

// Unwrap returns Err.
func (e *ReplyError) Unwrap() error { return e.Err }

// InvalidInputError means that the client refused a call before sending
// anything, because of what the caller passed.
type InvalidInputError struct {
	Field  string // what was wrong: "key", "value", "endpoint", "member ID", …
	Value  string // what was passed; empty where it must not be shown
	Reason string // why it was refused
	Err    error  // the underlying error, such as an *fs.PathError; nil: none
}

// Error returns the field, its value and the reason.
func (e *InvalidInputError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("client: invalid %s: %s", e.Field, e.Reason)
	}
	return fmt.Sprintf("client: invalid %s %q: %s", e.Field, e.Value, e.Reason)
}

// Unwrap returns Err.
func (e *InvalidInputError) Unwrap() error { return e.Err }

// MayBeApplied reports whether a write that failed with err may have been applied: its
// outcome is unknown ([ErrOutcomeUnknown]), its context ended while it was under way,
// or the server has said that it applied it and the rest of the reply was lost (a
// [*ReplyError] with a status of 2xx). Otherwise it was not applied. nil is false.
func MayBeApplied(err error) bool {
	return errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || isApplied(err)
}

// IsKeyNotFound reports whether err is, wraps or holds an [Error] for a key
// that does not exist.
func IsKeyNotFound(err error) bool { return hasErrorCode(err, ErrorCodeKeyNotFound) }

// IsNodeExist reports whether err is, wraps or holds an [Error] for a key
// that was to be created and exists.
func IsNodeExist(err error) bool { return hasErrorCode(err, ErrorCodeNodeExist) }

// IsTestFailed reports whether err is, wraps or holds an [Error] for a node
// that has another value or index than the condition wants.
func IsTestFailed(err error) bool { return hasErrorCode(err, ErrorCodeTestFailed) }

// IsEventIndexCleared reports whether err is, wraps or holds an [Error] for
// a watch that asked for an index older than the server's history.
func IsEventIndexCleared(err error) bool { return hasErrorCode(err, ErrorCodeEventIndexCleared) }

// IsUnauthorized reports whether err is, wraps or holds the refusal of any of
// the APIs because credentials are missing, wrong or not sufficient.
func IsUnauthorized(err error) bool {
	var re *ReplyError
	if errors.As(err, &re) && re.StatusCode == http.StatusUnauthorized {
		return true
	}
	return hasErrorCode(err, ErrorCodeUnauthorized)
}

// IsUserNotFound reports whether err is, wraps or holds the auth API's answer
// that a user does not exist, in the words of etcd 2.1 to 3.5.
func IsUserNotFound(err error) bool { return saysAbsent(err, "user") }

// IsRoleNotFound reports whether err is, wraps or holds the auth API's answer
// that a role does not exist, in the words of etcd 2.1 to 3.5.
func IsRoleNotFound(err error) bool { return saysAbsent(err, "role") }

func hasErrorCode(err error, code int) bool {
	return err != nil && errors.Is(err, Error{Code: code})
}

// saysAbsent reports whether err has one of the servers' wordings: "auth: User joe
// does not exist.", the same without the full stop, "auth: Role rr doesn't exist.".
func saysAbsent(err error, kind string) bool {
	var re *ReplyError
	if !errors.As(err, &re) {
		return false
	}
	text, ok := strings.CutPrefix(strings.ToLower(re.Message), "auth: "+kind+" ")
	if !ok {
		return false
	}
	text = strings.TrimSuffix(text, ".")
	return strings.HasSuffix(text, " does not exist") || strings.HasSuffix(text, " doesn't exist")
}

func isTooLarge(err error) bool { return errors.Is(err, ErrResponseTooLarge) }
