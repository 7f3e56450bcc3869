package client

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	authEnablePath = "/v2/auth/enable"
	authUsersPath  = "/v2/auth/users"
	authRolesPath  = "/v2/auth/roles"
)

// AuthAPI switches authentication on and off. NewAuthAPI returns one. It is safe
// for concurrent use. Its errors, and those of AuthUserAPI and AuthRoleAPI, are
// those of MembersAPI.
//
// After an attempt whose outcome is not known, a call is tried at the next endpoint if
// it may be sent twice, and otherwise ends with an error that is [ErrOutcomeUnknown].
// What a second, identical call is answered is the same from etcd 2.3 to 3.5:
//
//	GetUser, ListUsers, GetRole, ListRoles   sent again: they change nothing
//	Disable          sent again: 409 "already disabled" is the state that was asked for
//	Enable           not sent again: the second is 401 without root's credentials, which the first does not need
//	AddUser          not sent again: it would set the password of a user that another program added meanwhile
//	ChangePassword   not sent again: with the user's own, old password the second is 401
//	GrantUser        not sent again: 409 "duplicate role", as for a role that the user had before
//	RevokeUser       not sent again: 409 "ungranted role", as for a role that the user never had
//	RemoveUser       not sent again: it would remove a user that another program added meanwhile
//	AddRole          not sent again: 409 "already exists", as for a role that another program added
//	GrantRoleKV      not sent again: 409 "duplicate permission", as for one that the role had before
//	RevokeRoleKV     not sent again: 400 "not updated", as for a permission that the role never had
//	RemoveRole       not sent again: it would remove a role that another program added meanwhile
//
// With Config.StrictWrites Disable is not, either.
//
// Source: etcd v2 auth API documentation.
type AuthAPI interface {
	// Enable switches authentication on. There must be a user "root". From then
	// on these APIs need root's credentials; requests without any have the role
	// "guest", which has all permissions on keys until it is changed.
	Enable(ctx context.Context) error

	// Disable switches authentication off.
	Disable(ctx context.Context) error
}

// NewAuthAPI returns an AuthAPI that sends its calls by c.
func NewAuthAPI(c Client) AuthAPI { return &httpAuthAPI{client: c} }

type httpAuthAPI struct{ client Client }

// Enable implements AuthAPI.
func (a *httpAuthAPI) Enable(ctx context.Context) error {
	act := &action{spec: requestSpec{method: http.MethodPut, path: authEnablePath}, class: classOnce}
	_, err := call(ctx, a.client, act, decodeNothing)
	return err
}

// Disable implements AuthAPI.
func (a *httpAuthAPI) Disable(ctx context.Context) error {
	act := &action{spec: requestSpec{method: http.MethodDelete, path: authEnablePath}, class: classIdempotent}
	_, err := call(ctx, a.client, act, decodeDisabled)
	return err
}

// namedAction is a call about one user or one role, with an optional document.
func namedAction(method, prefix, field, name string, document any) (*action, error) {
	path, err := namePath(prefix, field, name)
	if err != nil {
		if invalid, ok := err.(*InvalidInputError); ok && strings.Contains(name, ":") { //nolint:errorlint // namePath wraps nothing
			invalid.Value = "" // it may be "user:password"
		}
		return nil, err
	}
	act := &action{spec: requestSpec{method: method, path: path}, class: classOnce}
	if method == http.MethodGet {
		act.class = classRead
	}
	if document != nil {
		err = act.setJSON(document)
	}
	return act, err
}

// checkNames refuses what JSON would change on its way. The texts themselves are
// not shown: they may be passwords.
func checkNames(field string, names ...string) error {
	for _, name := range names {
		if !utf8.ValidString(name) {
			return &InvalidInputError{Field: field, Reason: "it is not valid UTF-8"}
		}
	}
	return nil
}
