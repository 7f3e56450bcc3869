// Package measure plays rounds of the same work by several contestants in turns,
// and says what an operation of each took: time, processor time, bytes and
// allocations of the whole process.
package measure
