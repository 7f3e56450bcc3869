//go:build race

package client_test

// raceDetector: pools forget at random under the race detector, so that there are
// more allocations.
const raceDetector = true
