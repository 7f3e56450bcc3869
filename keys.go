package client

import (
	"context"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"
)

const defaultKeysPrefix = "/v2/keys"

// PrevExistType is a condition on whether a node exists before a Set.
type PrevExistType string

const (
	// PrevIgnore sets the node whether it exists or not.
	PrevIgnore = PrevExistType("")
	// PrevExist makes Set fail with ErrorCodeKeyNotFound unless the node exists.
	PrevExist = PrevExistType("true")
	// PrevNoExist makes Set fail with ErrorCodeNodeExist if the node exists.
	PrevNoExist = PrevExistType("false")
)

// KeysAPI reads, writes and watches the key space. NewKeysAPI returns one. It is
// safe for concurrent use.
//
// A key is a path of elements between slashes; leading, trailing and doubled
// slashes don't count. A key with an element "." or "..", with a NUL or with
// invalid UTF-8, and a value with invalid UTF-8, is refused with an
// [*InvalidInputError] before anything is sent.
//
// The error of each call is one of
//   - an [Error], when etcd refuses the call: the key is missing, a condition fails …
//   - a [*ReplyError] with a 2xx status, when etcd applied an at-most-once write
//     and the rest of its reply was lost or makes no sense, or when a reply is larger
//     than Config.MaxResponseBytes ([ErrResponseTooLarge]),
//   - a [*ClusterError], when no endpoint gave a usable answer; what answered that
//     is not etcd, such as a gateway, is a [*ReplyError] in it,
//   - context.Canceled or context.DeadlineExceeded, when the context ends; a
//     write may have been applied then.
//
// An endpoint that is silent for Config.StallInterval and does not answer a probe
// either has failed; one that answers the probe is waited for, for reads and
// idempotent writes until half of the time to the deadline is over.
//
// After a failure the next endpoint is asked as the class of the call allows:
//
//	read           Get, watches: after any failure
//	idempotent     Set without PrevValue, PrevIndex and PrevNoExist, Update: the
//	               same, unless Config.StrictWrites is set
//	at-most-once   all other writes: only when the failed endpoint can't have
//	               carried the call out; otherwise they stop with a *ClusterError
//	               for which errors.Is(err, ErrOutcomeUnknown) holds
//
// Where there is one endpoint, reads and idempotent writes are tried there again
// after a connection that broke and after a 5xx, at most twice.
//
// Source: etcd v2 API documentation.
type KeysAPI interface {
	// Get reads the node at key. A nil opts reads the node, and the children of
	// a directory, as the endpoint has them, which may be a little behind.
	Get(ctx context.Context, key string, opts *GetOptions) (*Response, error)

	// Set stores value at key and returns the node as the cluster recorded it,
	// with PrevNode if there was one. A nil opts sets the key unconditionally.
	Set(ctx context.Context, key, value string, opts *SetOptions) (*Response, error)

	// Delete removes the node at key. A nil opts removes a file unconditionally.
	// Repeated, it would fail with ErrorCodeKeyNotFound or remove what another
	// has written, so Delete is never sent again when its outcome is unknown.
	Delete(ctx context.Context, key string, opts *DeleteOptions) (*Response, error)

	// Create is Set with PrevNoExist.
	Create(ctx context.Context, key, value string) (*Response, error)

	// CreateInOrder stores value in the directory dir under a name that is
	// greater than those of all that were created there before; the Response
	// has it. A nil opts means no TTL. dir is created if it is missing.
	CreateInOrder(ctx context.Context, dir, value string, opts *CreateInOrderOptions) (*Response, error)

	// Update is Set with PrevExist.
	Update(ctx context.Context, key, value string) (*Response, error)

	// Watcher prepares to watch key; it sends nothing. A nil opts watches the
	// node itself, not those below, from the first Next on.
	Watcher(key string, opts *WatcherOptions) Watcher
}

// GetOptions modify Get. The zero value changes nothing.
type GetOptions struct {
	// Recursive returns everything below a directory, hidden nodes aside.
	Recursive bool

	// Sort orders the children of each directory by key. Without it their
	// order is random.
	Sort bool

	// Quorum reads what a quorum of the members has agreed on: never stale,
	// slower, and an error while there is no quorum. Config.Quorum is this for
	// every Get of a client.
	Quorum bool
}

// SetOptions modify Set. The zero value changes nothing.
type SetOptions struct {
	// PrevValue makes Set fail with ErrorCodeTestFailed unless the node has
	// this value. Empty means no condition: the server takes no other.
	PrevValue string

	// PrevIndex makes Set fail with ErrorCodeTestFailed unless the node has
	// this ModifiedIndex. Zero means no condition.
	PrevIndex uint64

	// PrevExist is the condition on the node's existence.
	PrevExist PrevExistType

	// TTL is when the node expires, from now on, rounded up to whole seconds.
	// Zero or less means never, and drops the TTL that the node has.
	TTL time.Duration

	// Refresh renews the TTL, which must be set, of an existing node. Its value
	// stays, so value must be empty, and it is no event for watchers. Needs etcd
	// 2.3; older servers would empty the value.
	Refresh bool

	// Dir creates a directory; value must be empty.
	Dir bool

	// NoValueOnSuccess asks the server to leave Node and PrevNode out of the
	// Response, where they are then nil. Servers before 3.1 send them anyway.
	NoValueOnSuccess bool
}

// CreateInOrderOptions modify CreateInOrder. The zero value changes nothing.
type CreateInOrderOptions struct {
	// TTL is when the node expires, from now on, rounded up to whole seconds.
	// Zero or less means never.
	TTL time.Duration
}

// DeleteOptions modify Delete. The zero value changes nothing.
type DeleteOptions struct {
	// PrevValue makes Delete fail with ErrorCodeTestFailed unless the node has
	// this value. Empty means no condition.
	PrevValue string

	// PrevIndex makes Delete fail with ErrorCodeTestFailed unless the node has
	// this ModifiedIndex. Zero means no condition.
	PrevIndex uint64

	// Recursive removes a directory with everything below it.
	Recursive bool

	// Dir allows the node to be a directory; without Recursive an empty one.
	Dir bool
}

// WatcherOptions modify Watcher. The zero value changes nothing.
type WatcherOptions struct {
	// AfterIndex makes the first event the first one whose index is greater.
	// Zero means from the first Next on. An index more than 1,000 events of the
	// whole store ago ends in an Error with ErrorCodeEventIndexCleared.
	AfterIndex uint64

	// Recursive reports events below the key as well, hidden nodes aside.
	Recursive bool

	// Hidden reports, where Recursive is set, those events of hidden nodes that a
	// server sends: it does while a watch catches up with its history, and not
	// once the watch waits. So a watch that is restarted after each event, or
	// after a while, sees all of them. Other KeysAPIs than those of this package
	// may ignore it.
	Hidden bool
}

// Response is the answer of a KeysAPI call or an event of a Watcher.
type Response struct {
	// Action is what was done: get, set, create, update, delete,
	// compareAndSwap, compareAndDelete or expire.
	Action string `json:"action"`

	// Node is the node after that. It is nil after a Set with NoValueOnSuccess
	// and never otherwise.
	Node *Node `json:"node"`

	// PrevNode is the node before that, nil if there was none.
	PrevNode *Node `json:"prevNode"`

	// Index is the store's index when the server took the request; for an
	// event, when it took the watch, so often lower than Node.ModifiedIndex.
	Index uint64 `json:"-"`

	// ClusterID identifies the cluster that answered.
	ClusterID string `json:"-"`
}

// NewKeysAPI returns a KeysAPI that sends its calls by c.
func NewKeysAPI(c Client) KeysAPI { return NewKeysAPIWithPrefix(c, defaultKeysPrefix) }

// NewKeysAPIWithPrefix returns a KeysAPI whose keys are below the URL path p in
// place of /v2/keys. p names a path, not an escaped one; each call of an API with
// a p that no key could have fails with an [*InvalidInputError]. Keys in
// Responses are as the server sends them.
func NewKeysAPIWithPrefix(c Client, p string) KeysAPI { return &httpKeysAPI{client: c, prefix: p} }

type httpKeysAPI struct {
	client Client
	prefix string
	quorum bool // see QuorumReads
}

// Get implements KeysAPI.
func (k *httpKeysAPI) Get(ctx context.Context, key string, opts *GetOptions) (*Response, error) {
	path, err := keyPath(k.prefix, key)
	if err != nil {
		return nil, err
	}
	var q query
	q.setTrue("quorum", k.quorum || opts != nil && opts.Quorum)
	if opts != nil {
		q.setTrue("recursive", opts.Recursive)
		q.setTrue("sorted", opts.Sort)
	}
	act := &action{spec: requestSpec{method: http.MethodGet, path: path, query: q.encoded}, class: classRead, keys: true}
	return sendKeys(ctx, k.client, act, false)
}

// Set implements KeysAPI.
func (k *httpKeysAPI) Set(ctx context.Context, key, value string, opts *SetOptions) (*Response, error) {
	path, err := keyPath(k.prefix, key)
	if err != nil {
		return nil, err
	}
	if opts == nil {
		opts = &SetOptions{}
	}
	if err := checkSet(key, value, opts); err != nil {
		return nil, err
	}
	var q query
	q.setTrue("dir", opts.Dir)
	q.setTrue("noValueOnSuccess", opts.NoValueOnSuccess)
	q.setText("prevExist", string(opts.PrevExist))
	q.setUint("prevIndex", opts.PrevIndex)
	q.setText("prevValue", opts.PrevValue)

	var form query
	form.setTrue("refresh", opts.Refresh)
	form.setTTL(opts.TTL)
	if !opts.Dir && !opts.Refresh {
		form.set("value", value)
	}

	act := &action{spec: requestSpec{method: http.MethodPut, path: path, query: q.encoded}, class: classIdempotent, keys: true}
	if opts.PrevValue != "" || opts.PrevIndex != 0 || opts.PrevExist == PrevNoExist {
		act.class = classOnce
	}
	act.setForm(form.encoded)
	return sendKeys(ctx, k.client, act, opts.NoValueOnSuccess)
}

// Create implements KeysAPI.
func (k *httpKeysAPI) Create(ctx context.Context, key, value string) (*Response, error) {
	return k.Set(ctx, key, value, &SetOptions{PrevExist: PrevNoExist})
}

// Update implements KeysAPI.
func (k *httpKeysAPI) Update(ctx context.Context, key, value string) (*Response, error) {
	return k.Set(ctx, key, value, &SetOptions{PrevExist: PrevExist})
}

// CreateInOrder implements KeysAPI.
func (k *httpKeysAPI) CreateInOrder(ctx context.Context, dir, value string, opts *CreateInOrderOptions) (*Response, error) {
	path, err := keyPath(k.prefix, dir)
	if err != nil {
		return nil, err
	}
	if err := checkText("value", dir, value); err != nil {
		return nil, err
	}
	var form query
	if opts != nil {
		form.setTTL(opts.TTL)
	}
	form.set("value", value)
	act := &action{spec: requestSpec{method: http.MethodPost, path: path}, class: classOnce, keys: true}
	act.setForm(form.encoded)
	return sendKeys(ctx, k.client, act, false)
}

// Delete implements KeysAPI.
func (k *httpKeysAPI) Delete(ctx context.Context, key string, opts *DeleteOptions) (*Response, error) {
	path, err := keyPath(k.prefix, key)
	if err != nil {
		return nil, err
	}
	var q query
	if opts != nil {
		if err := checkText("PrevValue", key, opts.PrevValue); err != nil {
			return nil, err
		}
		q.setTrue("dir", opts.Dir)
		q.setUint("prevIndex", opts.PrevIndex)
		q.setText("prevValue", opts.PrevValue)
		q.setTrue("recursive", opts.Recursive)
	}
	act := &action{spec: requestSpec{method: http.MethodDelete, path: path, query: q.encoded}, class: classOnce, keys: true}
	return sendKeys(ctx, k.client, act, false)
}

// checkSet refuses what the server would refuse or, worse, not tell.
func checkSet(key, value string, opts *SetOptions) error {
	if err := checkText("value", key, value); err != nil {
		return err
	}
	if err := checkText("PrevValue", key, opts.PrevValue); err != nil {
		return err
	}
	switch {
	case opts.PrevExist != PrevIgnore && opts.PrevExist != PrevExist && opts.PrevExist != PrevNoExist:
		return &InvalidInputError{Field: "PrevExist", Value: string(opts.PrevExist), Reason: "it is none of PrevIgnore, PrevExist and PrevNoExist"}
	case opts.Dir && value != "":
		return &InvalidInputError{Field: "value", Reason: fmt.Sprintf("directory %q can't have one", key)}
	// The server's own codes and words, without the way there and back.
	case opts.Refresh && value != "":
		return Error{Code: ErrorCodeRefreshValue, Message: "Value provided on refresh", Cause: key}
	case opts.Refresh && opts.TTL <= 0:
		return Error{Code: ErrorCodeRefreshTTLRequired, Message: "A TTL must be provided on refresh", Cause: key}
	}
	return nil
}

// checkText refuses text that JSON can't carry back: the server would change it.
func checkText(field, key, text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return &InvalidInputError{Field: field, Reason: fmt.Sprintf("for key %q it is not valid UTF-8 at byte %d", key, at)}
}

// keysCall is a call of the keys API, whose reply may be large: its body is decoded
// as it comes.
type keysCall struct {
	actionCall

	noNode bool // see SetOptions.NoValueOnSuccess

	// Of the last attempt:
	decoded bool // resp and err are what the body came to
	resp    *Response
	err     error
}

// sendKeys sends a call by c. noNode is true where the reply may lack its node.
func sendKeys(ctx context.Context, c Client, act *action, noNode bool) (*Response, error) {
	if own, ok := c.(*httpClusterClient); ok {
		k := &keysCall{actionCall: actionCall{own.effective(act)}, noNode: noNode}
		if _, err := own.do(ctx, k); err != nil {
			return nil, err
		}
		return k.resp, nil
	}
	decode := func(r *reply) (*Response, error) {
		if !isSuccess(r.status) {
			return nil, keysError(r)
		}
		resp, err := decodeTreeBytes(r.body)
		return finishResponse(r, resp, err, !noNode)
	}
	return call(ctx, c, act, decode)
}

func (k *keysCall) onHeader(*reply) error {
	k.decoded, k.resp, k.err = false, nil, nil
	return nil
}

func (k *keysCall) readBody(r *reply, body *attempt, limit int64) (bool, error) {
	resp, head, err := decodeTreeFrom(body, limit)
	r.body = head
	if isReadError(err) || isTooLarge(err) {
		return true, err
	}
	k.decoded, k.resp, k.err = true, resp, err
	return true, nil
}

func (k *keysCall) onReply(r *reply) error {
	if !isSuccess(r.status) {
		return keysError(r)
	}
	if !k.decoded { // there was no body to read
		k.resp, k.err = decodeTreeBytes(r.body)
	}
	k.resp, k.err = finishResponse(r, k.resp, k.err, !k.noNode)
	return k.err
}
