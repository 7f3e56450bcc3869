package client

import "encoding/base64"

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
