package client

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// login is a user name and a password for basic authentication.
type login struct {
	username, password string
	header             string // what Authorization says; empty: no credentials at all
}

func newLogin(username, password string) *login {
	if username == "" {
		return &login{}
	}
	return &login{username, password, "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))}
}

// loginOf returns the credentials in the user part of an endpoint's URL, nil where
// it has none, or the reason why they can't be used.
func loginOf(user *url.Userinfo) (l *login, reason string) {
	if user == nil {
		return nil, ""
	}
	password, isSet := user.Password()
	switch {
	case isSet && user.Username() == "":
		return nil, "it has a password and no user"
	case strings.Contains(user.Username(), ":"):
		return nil, userHasColon
	}
	return newLogin(user.Username(), password), ""
}

// effectiveLogin returns the credentials of requests to e: its own, else config.
// nil means none.
func (e *endpoint) effectiveLogin(config *login) *login {
	if e.login != nil {
		return e.login
	}
	return config
}

// userHasColon is why a user's name is refused. The name is not repeated: what
// follows the colon may be the password.
const userHasColon = "the user has a colon, which basic authentication can't send (RFC 7617)"
