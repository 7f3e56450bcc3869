//go:build tools

package main

// The crypt program, which the tests build as well.
import _ "github.com/bketelsen/crypt/bin/crypt"
