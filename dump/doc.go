// Package dump moves what an etcd v2 store holds out of it and back: [Export]
// writes a dump, [Import] brings a store to what a dump says, [Diff] compares
// stores and dumps, and [Purge] empties a store. All work on any KeysAPI, so that
// the store behind it may be another kind of server than the one before.
//
// # Interrupted
//
// Each of them may be interrupted at any point, by its context, a crash or a dead
// cluster, and run again: what is done already is found done. Nothing is applied
// twice, since a dump says what a node is, and not what to do with it.
//
// # The dump
//
// A dump is text of one JSON object a line, each with one name:
//
//	{"header":{"format":"etcd-v2-dump","version":1,"root":"/","clusterID":"…","index":812,"time":"…"}}
//	{"node":{"key":"/app","dir":true,"created":4,"modified":4}}
//	{"node":{"key":"/app/_secret","value":"hidden","created":9,"modified":9}}
//	{"node":{"key":"/app/port","value":"80","created":5,"modified":7,"expiration":"2026-11-22T01:02:03.5Z"}}
//	{"trailer":{"keys":2,"directories":1,"sha256":"…"}}
//
// Nodes come in tree order: a directory before what is in it, siblings by name,
// byte by byte. A root other than "/" is a node itself. A dump without trailer is
// truncated. The sum is over key, kind and value of the nodes in that order; TTLs
// and indexes are not in it. For each node it takes "d" or "f", the length of the
// key as 8 bytes, big-endian, and the key; for a file also the length of the value
// as 8 bytes, and the value.
//
// Behind the trailer, a dump that followed its store has changes, in the order of
// their indexes:
//
//	{"change":{"kind":"set","index":813,"node":{"key":"/app/port","value":"81","created":813,"modified":813}}}
//	{"change":{"kind":"delete","index":814,"node":{"key":"/app/port","modified":814}}}
//
// Where the store's history was lost, another header comes with "resync":true, and
// a whole snapshot up to its trailer: what is not in it is gone.
//
// # Hidden nodes
//
// A node whose name begins with "_" is hidden: the v2 API lists it nowhere, and
// gives it only to who asks for its path. Nobody can list all hidden nodes of a
// store. Known are those whose paths are given, and those that were written within
// the last 1,000 events of the store, which a server remembers; [Summary] says
// which were found and how far back the history went. A hidden node
// that nobody names and nobody has written lately is not in the dump. What is below
// a known hidden directory is, but for what is hidden there once more.
//
// # Memory
//
// Of a store, one snapshot is held, about 1.4 times its reply; of a dump one line,
// however long the dump. What is read of a dump is garbage soon, which Go collects
// when there is as much of it as of the snapshot, unless told otherwise by GOGC or
// GOMEMLIMIT. For a million keys with values of 100 bytes, a reply of about 180 MiB, the
// whole process took at most 275 MiB to export and to import into an empty store,
// and 480 MiB to compare with a store that has them, or to import into it.
package dump
