package client

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/ugorji/go/codec"
)

// decodeNothing is for calls whose success has no content.
func decodeNothing(r *reply) (struct{}, error) {
	if !isSuccess(r.status) {
		return struct{}{}, v2Error(r)
	}
	return struct{}{}, nil
}

// decodeDocument reads one of the small documents of the members, auth and
// version APIs.
func decodeDocument(r *reply, into any) error {
	switch {
	case !isSuccess(r.status):
		return v2Error(r)
	case len(bytes.TrimSpace(r.body)) == 0:
		return strange(r, ErrEmptyBody)
	case unmarshal(r.body, into) != nil:
		return strange(r, ErrInvalidJSON)
	}
	return nil
}

func decodeVersions(r *reply) (*Versions, error) {
	if !isSuccess(r.status) {
		return nil, replyError(r) // /version is there with and without the v2 API
	}
	// etcd 2.0 says "etcd 2.0.13", in plain text.
	if version, ok := strings.CutPrefix(string(r.body), "etcd "); ok {
		return &Versions{Server: strings.TrimSpace(version)}, nil
	}
	v := &Versions{}
	if err := decodeDocument(r, v); err != nil {
		return nil, err
	}
	if v.Server == "" {
		return nil, strange(r, ErrInvalidJSON)
	}
	return v, nil
}

func decodeMember(r *reply) (*Member, error) {
	m := &Member{}
	if err := decodeDocument(r, m); err != nil {
		return nil, err
	}
	if m.ID == "" {
		return nil, strange(r, ErrInvalidJSON)
	}
	return m, nil
}

func decodeMembers(r *reply) ([]Member, error) {
	var document struct {
		Members *[]Member `json:"members"`
	}
	if err := decodeDocument(r, &document); err != nil {
		return nil, err
	}
	if document.Members == nil {
		return nil, strange(r, ErrInvalidJSON)
	}
	for _, m := range *document.Members {
		if m.ID == "" {
			return nil, strange(r, ErrInvalidJSON)
		}
	}
	return *document.Members, nil
}

// decodeRemoved takes the answer that a member is removed already for success:
// that is the state that was asked for.
func decodeRemoved(r *reply) (struct{}, error) {
	if r.status == http.StatusGone {
		return struct{}{}, nil
	}
	return decodeNothing(r)
}

// nameOf reads what servers write either as a name (2.1, 2.2) or as an object
// that has the name in one of its fields (2.3 and later).
func nameOf(raw codec.Raw) (string, error) {
	var name string
	if unmarshal(raw, &name) == nil && name != "" {
		return name, nil
	}
	var object struct {
		User string `json:"user"`
		Role string `json:"role"`
	}
	switch {
	case unmarshal(raw, &object) != nil:
		return "", ErrInvalidJSON
	case object.User != "":
		return object.User, nil
	case object.Role != "":
		return object.Role, nil
	}
	return "", ErrInvalidJSON
}

func namesOf(list []codec.Raw) ([]string, error) {
	names := make([]string, len(list))
	for i, raw := range list {
		var err error
		if names[i], err = nameOf(raw); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// decodeNames reads {"users": …} and {"roles": …}, where the list may be null.
func decodeNames(field string) func(*reply) ([]string, error) {
	return func(r *reply) ([]string, error) {
		var document map[string]codec.Raw
		if err := decodeDocument(r, &document); err != nil {
			return nil, err
		}
		var list []codec.Raw
		raw, ok := document[field]
		if !ok || len(raw) > 0 && unmarshal(raw, &list) != nil { // no bytes: null
			return nil, strange(r, ErrInvalidJSON)
		}
		names, err := namesOf(list)
		if err != nil {
			return nil, strange(r, err)
		}
		return names, nil
	}
}

func decodeUser(r *reply) (*User, error) {
	var document struct {
		User  string      `json:"user"`
		Roles []codec.Raw `json:"roles"`
	}
	if err := decodeDocument(r, &document); err != nil {
		return nil, err
	}
	if document.User == "" {
		return nil, strange(r, ErrInvalidJSON)
	}
	roles, err := namesOf(document.Roles)
	if err != nil {
		return nil, strange(r, err)
	}
	return &User{User: document.User, Roles: roles}, nil
}

func decodeRole(r *reply) (*Role, error) {
	role := &Role{}
	if err := decodeDocument(r, role); err != nil {
		return nil, err
	}
	if role.Role == "" {
		return nil, strange(r, ErrInvalidJSON)
	}
	return role, nil
}
