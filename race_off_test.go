//go:build !race

package client_test

// raceDetector: see race_on_test.go.
const raceDetector = false
