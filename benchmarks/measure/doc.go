// Package measure runs interleaved rounds of the same work by several subjects,
// and returns what an operation of each took: time, processor time, bytes and
// allocations of the whole process.
package measure
