// Package keystest has a [client.KeysAPI] without a server, for the tests of what
// is built on that interface: the v2 store of etcd 3.4 and 3.5 in memory, as a
// client of this module sees it, with faults where a test wants them.
//
// integration/keystest_test.go compares it with real servers, answer by answer.
//
// Time is that of package time: in a testing/synctest bubble, make the Store inside
// of it and keys expire by the bubble's clock. A Store has no goroutine of its own,
// but for writes that arrive late, see [Store.Wait].
package keystest
