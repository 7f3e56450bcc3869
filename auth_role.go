package client

import (
	"context"
	"fmt"
	"net/http"
)

// PermissionType is a kind of access.
type PermissionType int

const (
	// ReadPermission is the right to read and watch.
	ReadPermission PermissionType = iota
	// WritePermission is the right to write and delete.
	WritePermission
	// ReadWritePermission is both.
	ReadWritePermission
)

// Role is a role as the auth API reads and writes it.
type Role struct {
	Role        string       `json:"role"`             // its name
	Permissions Permissions  `json:"permissions"`      // what it has
	Grant       *Permissions `json:"grant,omitempty"`  // permissions to add; only sent
	Revoke      *Permissions `json:"revoke,omitempty"` // permissions to take; only sent
}

// Permissions are what a role may do.
type Permissions struct {
	KV RWPermission `json:"kv"` // on keys
}

// RWPermission are the keys that may be read and written. "/a" stands for one
// key, "/a*" for all that begin with it.
type RWPermission struct {
	Read  []string `json:"read"`  // to read and watch
	Write []string `json:"write"` // to write and delete
}

// AuthRoleAPI reads and changes roles. NewAuthRoleAPI returns one. It is safe for
// concurrent use. See AuthAPI for which calls are sent again after a failure.
type AuthRoleAPI interface {
	// AddRole adds a role without permissions.
	AddRole(ctx context.Context, role string) error

	// RemoveRole removes a role.
	RemoveRole(ctx context.Context, role string) error

	// GetRole returns a role with its permissions.
	GetRole(ctx context.Context, role string) (*Role, error)

	// GrantRoleKV grants a role access to the prefixes and returns it. A
	// permission that it has already is an error, and nothing is changed.
	GrantRoleKV(ctx context.Context, role string, prefixes []string, permType PermissionType) (*Role, error)

	// RevokeRoleKV takes access to the prefixes from a role and returns it.
	RevokeRoleKV(ctx context.Context, role string, prefixes []string, permType PermissionType) (*Role, error)

	// ListRoles returns the names of all roles.
	ListRoles(ctx context.Context) ([]string, error)
}

// NewAuthRoleAPI returns an AuthRoleAPI that sends its calls by c.
func NewAuthRoleAPI(c Client) AuthRoleAPI { return &httpAuthRoleAPI{client: c} }

type httpAuthRoleAPI struct{ client Client }

// ListRoles implements AuthRoleAPI.
func (a *httpAuthRoleAPI) ListRoles(ctx context.Context) ([]string, error) {
	act := &action{spec: requestSpec{method: http.MethodGet, path: authRolesPath}, class: classRead}
	return call(ctx, a.client, act, decodeNames("roles"))
}

// GetRole implements AuthRoleAPI.
func (a *httpAuthRoleAPI) GetRole(ctx context.Context, role string) (*Role, error) {
	act, err := namedAction(http.MethodGet, authRolesPath, "role", role, nil)
	if err != nil {
		return nil, err
	}
	return call(ctx, a.client, act, decodeRole)
}

// AddRole implements AuthRoleAPI.
func (a *httpAuthRoleAPI) AddRole(ctx context.Context, role string) error {
	_, err := a.put(ctx, &Role{Role: role})
	return err
}

// RemoveRole implements AuthRoleAPI.
func (a *httpAuthRoleAPI) RemoveRole(ctx context.Context, role string) error {
	act, err := namedAction(http.MethodDelete, authRolesPath, "role", role, nil)
	if err != nil {
		return err
	}
	_, err = call(ctx, a.client, act, decodeNothing)
	return err
}

// GrantRoleKV implements AuthRoleAPI.
func (a *httpAuthRoleAPI) GrantRoleKV(ctx context.Context, role string, prefixes []string, permType PermissionType) (*Role, error) {
	permissions, err := permissionsFor(prefixes, permType)
	if err != nil {
		return nil, err
	}
	return a.put(ctx, &Role{Role: role, Grant: permissions})
}

// RevokeRoleKV implements AuthRoleAPI.
func (a *httpAuthRoleAPI) RevokeRoleKV(ctx context.Context, role string, prefixes []string, permType PermissionType) (*Role, error) {
	permissions, err := permissionsFor(prefixes, permType)
	if err != nil {
		return nil, err
	}
	return a.put(ctx, &Role{Role: role, Revoke: permissions})
}

func (a *httpAuthRoleAPI) put(ctx context.Context, role *Role) (*Role, error) {
	act, err := namedAction(http.MethodPut, authRolesPath, "role", role.Role, role)
	if err != nil {
		return nil, err
	}
	return call(ctx, a.client, act, decodeRole)
}

func permissionsFor(prefixes []string, permType PermissionType) (*Permissions, error) {
	if err := checkNames("prefix", prefixes...); err != nil {
		return nil, err
	}
	p := &Permissions{}
	switch permType {
	case ReadPermission:
		p.KV.Read = prefixes
	case WritePermission:
		p.KV.Write = prefixes
	case ReadWritePermission:
		p.KV.Read, p.KV.Write = prefixes, prefixes
	default:
		return nil, &InvalidInputError{Field: "permission type", Value: fmt.Sprint(int(permType)), Reason: "there is no such type"}
	}
	return p, nil
}
