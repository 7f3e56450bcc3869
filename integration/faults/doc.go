// Package faults runs scenarios on real clusters of etcd: callers make calls of
// every kind, with a client of the default configuration, while faults happen to
// the members. Afterwards the store is read, and compared with what the callers
// were told.
//
// [Scenarios] is the table of what there is; [Scenario.Run] runs one; [Report]
// makes a table of what they showed. The package knows nothing of package
// testing: `make faults` runs it at full length, its own test at a shorter one.
package faults
