package client

import (
	"context"
	"net/http"
	"slices"
)

// User is a user as the auth API reads and writes it.
type User struct {
	User     string   `json:"user"`               // its name
	Password string   `json:"password,omitempty"` // only sent, never in a reply
	Roles    []string `json:"roles"`              // the names of the roles it has
	Grant    []string `json:"grant,omitempty"`    // roles to add; only sent
	Revoke   []string `json:"revoke,omitempty"`   // roles to take; only sent
}

// UserRoles is a user with the roles in full, as servers from 2.3 on describe it.
type UserRoles struct {
	User  string `json:"user"`  // its name
	Roles []Role `json:"roles"` // the roles it has
}

// AuthUserAPI reads and changes users. NewAuthUserAPI returns one. It is safe for
// concurrent use. No error of its calls has a password in it. See AuthAPI for which
// calls are sent again after a failure.
type AuthUserAPI interface {
	// AddUser adds a user without roles. If the user exists, the server takes
	// the call as ChangePassword.
	AddUser(ctx context.Context, username, password string) error

	// RemoveUser removes a user.
	RemoveUser(ctx context.Context, username string) error

	// GetUser returns a user with the names of its roles.
	GetUser(ctx context.Context, username string) (*User, error)

	// GrantUser adds roles to a user and returns it. A role that it has already
	// is an error, and nothing is changed.
	GrantUser(ctx context.Context, username string, roles []string) (*User, error)

	// RevokeUser takes roles from a user and returns it.
	RevokeUser(ctx context.Context, username string, roles []string) (*User, error)

	// ChangePassword sets a user's password and returns the user. If
	// there is no such user, the server takes the call as AddUser.
	ChangePassword(ctx context.Context, username, password string) (*User, error)

	// ListUsers returns the names of all users.
	ListUsers(ctx context.Context) ([]string, error)
}

// NewAuthUserAPI returns an AuthUserAPI that sends its calls by c.
func NewAuthUserAPI(c Client) AuthUserAPI { return &httpAuthUserAPI{client: c} }

type httpAuthUserAPI struct{ client Client }

// ListUsers implements AuthUserAPI.
func (u *httpAuthUserAPI) ListUsers(ctx context.Context) ([]string, error) {
	act := &action{spec: requestSpec{method: http.MethodGet, path: authUsersPath}, class: classRead}
	return call(ctx, u.client, act, decodeNames("users"))
}

// GetUser implements AuthUserAPI.
func (u *httpAuthUserAPI) GetUser(ctx context.Context, username string) (*User, error) {
	act, err := namedAction(http.MethodGet, authUsersPath, "user", username, nil)
	if err != nil {
		return nil, err
	}
	return call(ctx, u.client, act, decodeUser)
}

// AddUser implements AuthUserAPI.
func (u *httpAuthUserAPI) AddUser(ctx context.Context, username, password string) error {
	_, err := u.put(ctx, &User{User: username, Password: password})
	return err
}

// ChangePassword implements AuthUserAPI.
func (u *httpAuthUserAPI) ChangePassword(ctx context.Context, username, password string) (*User, error) {
	return u.put(ctx, &User{User: username, Password: password})
}

// GrantUser implements AuthUserAPI.
func (u *httpAuthUserAPI) GrantUser(ctx context.Context, username string, roles []string) (*User, error) {
	return u.put(ctx, &User{User: username, Grant: roles})
}

// RevokeUser implements AuthUserAPI.
func (u *httpAuthUserAPI) RevokeUser(ctx context.Context, username string, roles []string) (*User, error) {
	return u.put(ctx, &User{User: username, Revoke: roles})
}

// RemoveUser implements AuthUserAPI.
func (u *httpAuthUserAPI) RemoveUser(ctx context.Context, username string) error {
	act, err := namedAction(http.MethodDelete, authUsersPath, "user", username, nil)
	if err != nil {
		return err
	}
	_, err = call(ctx, u.client, act, decodeNothing)
	return err
}

func (u *httpAuthUserAPI) put(ctx context.Context, user *User) (*User, error) {
	if err := checkNames("password", user.Password); err != nil {
		return nil, err
	}
	if err := checkNames("role", slices.Concat(user.Grant, user.Revoke)...); err != nil {
		return nil, err
	}
	act, err := namedAction(http.MethodPut, authUsersPath, "user", user.User, user)
	if err != nil {
		return nil, err
	}
	return call(ctx, u.client, act, func(r *reply) (*User, error) {
		answer, err := decodeUser(r)
		return answer, withoutSecret(r, err, user.Password)
	})
}
