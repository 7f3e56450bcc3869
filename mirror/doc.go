// Package mirror holds a directory of etcd in memory, always equal to the
// server's state at some index, and tells of each change:
//
//	m, err := mirror.New(ctx, kapi, "/services", &mirror.Options{OnChange: reload})
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	for node := range m.Walk("/services/web") {
//		…
//	}
//
// It follows the directory with [client.Events]: one connection, no polling, no
// read of the server for any look-up. Where the server's history has been lost,
// the new snapshot is compared with what the mirror holds, and only what differs
// is reported, so that a consumer never sees a restart.
//
// # What it holds
//
// The nodes of a mirror are those of a recursive Get with a quorum: the
// directory itself, and all below it that is not hidden, which is what has no
// element that begins with "_" below the directory. The directory may be hidden
// itself, may be missing, come and go, and be a file. Directories that come to be
// as the parents of a new key, and what is below a directory that is deleted or
// expires, have no events of their own; the mirror adds and removes them.
//
// The server tells nobody of a refresh, so Expiration, TTL and, for a refreshed
// node, ModifiedIndex are as of the last event or snapshot. Nor does it tell of
// a directory that comes to be as the parent of a hidden key: the mirror has it
// from the first visible key below it on, with the indexes of that key, or from
// the next snapshot on.
//
// # Memory
//
// A node takes about 130 bytes besides its key and value, on 64-bit machines. A
// view that is held keeps what has been replaced since. While a new snapshot is
// compared, it is in memory twice.
package mirror
