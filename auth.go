package client

import (
	"context"
	"net/http"
	"unicode/utf8"
)

const (
	authEnablePath = "/v2/auth/enable"
	authUsersPath  = "/v2/auth/users"
	authRolesPath  = "/v2/auth/roles"
)

// AuthAPI switches authentication on and off. Make it with NewAuthAPI. It is safe
// for concurrent use. Its errors, and those of AuthUserAPI and AuthRoleAPI, are
// those of MembersAPI, and so is what happens when an endpoint fails.
//
// Source: etcd v2 auth API documentation.
type AuthAPI interface {
	// Enable switches authentication on. There must be a user "root". From then
	// on these APIs need root's credentials; whoever has none is the role
	// "guest", which has all permissions on keys until it is changed.
	Enable(ctx context.Context) error

	// Disable switches authentication off.
	Disable(ctx context.Context) error
}

// NewAuthAPI makes an AuthAPI that sends its calls by c.
func NewAuthAPI(c Client) AuthAPI { return &httpAuthAPI{client: c} }

type httpAuthAPI struct{ client Client }

// Enable implements AuthAPI.
func (a *httpAuthAPI) Enable(ctx context.Context) error {
	return a.send(ctx, http.MethodPut)
}

// Disable implements AuthAPI.
func (a *httpAuthAPI) Disable(ctx context.Context) error {
	return a.send(ctx, http.MethodDelete)
}

func (a *httpAuthAPI) send(ctx context.Context, method string) error {
	act := &action{spec: requestSpec{method: method, path: authEnablePath}, class: classOnce}
	_, err := call(ctx, a.client, act, decodeNothing)
	return err
}

// namedAction is a call about one user or one role, with an optional document.
func namedAction(method, prefix, field, name string, document any) (*action, error) {
	path, err := namePath(prefix, field, name)
	if err != nil {
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
