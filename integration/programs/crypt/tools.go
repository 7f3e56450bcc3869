//go:build tools

// Package crypt pins the crypt program of 2017, with this client in place of the
// historic one at its first import path.
package crypt

import _ "github.com/xordataexchange/crypt/bin/crypt"
