package keystest

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/coreos/etcd/client"
)

// refuse is what the server says to a request that it does not carry out.
func (s *Store) refuse(code int, cause string) client.Error {
	e := client.Error{Code: code, Cause: cause, Index: s.index, StatusCode: http.StatusBadRequest}
	switch code {
	case client.ErrorCodeKeyNotFound:
		e.Message, e.StatusCode = "Key not found", http.StatusNotFound
	case client.ErrorCodeTestFailed:
		e.Message, e.StatusCode = "Compare failed", http.StatusPreconditionFailed
	case client.ErrorCodeNotFile:
		e.Message, e.StatusCode = "Not a file", http.StatusForbidden
	case client.ErrorCodeNotDir:
		e.Message = "Not a directory"
	case client.ErrorCodeNodeExist:
		e.Message, e.StatusCode = "Key already exists", http.StatusPreconditionFailed
	case client.ErrorCodeRootROnly:
		e.Message = "Root is read only"
	case client.ErrorCodeDirNotEmpty:
		e.Message, e.StatusCode = "Directory not empty", http.StatusForbidden
	case client.ErrorCodeEventIndexCleared:
		e.Message = "The event in requested index is outdated and cleared"
	}
	return e
}

// failUpdateOfDir is what comes of an update of a directory: etcd 3.5 answers
// with a 500, which a client can't take for a refusal.
func (s *Store) failUpdateOfDir(key string) error {
	said := client.Error{
		Code: client.ErrorCodeRaftInternal, Message: "Raft Internal Error", Cause: "nodePath /1" + key + " : Not a file ()",
		StatusCode: http.StatusInternalServerError,
	}
	return &client.ClusterError{
		Errors:         []error{said},
		Attempts:       []client.Attempt{{Sent: true, StatusCode: said.StatusCode, Err: said}},
		OutcomeUnknown: true,
	}
}

// cleanKey gives the key as the server has it, or the error of a client for a key
// that can't be sent.
func cleanKey(key string) (string, error) {
	if !utf8.ValidString(key) || strings.ContainsRune(key, 0) {
		return "", &client.InvalidInputError{Field: "key", Value: key, Reason: "it is not valid UTF-8 or has a NUL byte"}
	}
	names := elements(key)
	for _, name := range names {
		if name == "." || name == ".." {
			return "", &client.InvalidInputError{Field: "key", Value: key, Reason: `it has the element "` + name + `"`}
		}
	}
	return "/" + strings.Join(names, "/"), nil
}

// checkSet refuses what a client refuses.
func checkSet(key, value string, o *client.SetOptions) error {
	if err := checkText("value", value); err != nil {
		return err
	}
	if err := checkText("PrevValue", o.PrevValue); err != nil {
		return err
	}
	switch {
	case o.PrevExist != client.PrevIgnore && o.PrevExist != client.PrevExist && o.PrevExist != client.PrevNoExist:
		return &client.InvalidInputError{Field: "PrevExist", Value: string(o.PrevExist), Reason: "it is none of PrevIgnore, PrevExist and PrevNoExist"}
	case o.Dir && value != "":
		return &client.InvalidInputError{Field: "value", Reason: fmt.Sprintf("directory %q can't have one", key)}
	case o.Refresh && value != "":
		return client.Error{Code: client.ErrorCodeRefreshValue, Message: "Value provided on refresh", Cause: key}
	case o.Refresh && o.TTL <= 0:
		return client.Error{Code: client.ErrorCodeRefreshTTLRequired, Message: "A TTL must be provided on refresh", Cause: key}
	}
	return nil
}

func checkText(field, text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	return &client.InvalidInputError{Field: field, Reason: "it is not valid UTF-8"}
}
