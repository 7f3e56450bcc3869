//go:build race

package benchmarks

// raceDetector is on: valgrind can't run this program.
const raceDetector = true
