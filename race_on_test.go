//go:build race

package client

// RaceDetector is true where pools forget at random, so that there are more
// allocations.
const RaceDetector = true
