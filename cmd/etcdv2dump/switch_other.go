//go:build !unix

package main

import "os"

// notifySwitch gives no signals: there are none for that.
func notifySwitch() (told <-chan os.Signal, stop func()) { return nil, func() {} }
