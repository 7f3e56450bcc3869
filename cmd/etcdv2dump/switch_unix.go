//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifySwitch gives the signals that tell move to switch.
func notifySwitch() (told <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	return signals, func() { signal.Stop(signals) }
}
