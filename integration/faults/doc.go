// Package faults runs scenarios on real clusters of etcd, in networks of several
// kinds: callers make calls of every kind, with a client of the default
// configuration, while faults happen to the members. Afterwards the store is read,
// and compared with how the calls ended.
//
// [Scenarios] and [Networks] are the tables of what there is, [Rows] each scenario
// in each network to which it applies; [Row.Run] runs one; [Report] makes a table
// of what they showed. The package knows nothing of package testing: `make faults`
// runs it in full, its own test in a short form.
//
// Promises of time can't be judged on a machine that has no processor for the
// members or for this process. [Strain] is the evidence of that, measured beside
// each row: with it, and without a lost write or one that was applied twice, the
// test runs the row again, and says at last that it shows nothing. `make faults`
// fails then.
//
// That rows and tests can fail is proved by `make prove-faults`: each patch in
// testdata/reverts reverts the fix of a finding, and names the row that fails with
// it. The table is in testdata/reverts/README.md.
package faults
