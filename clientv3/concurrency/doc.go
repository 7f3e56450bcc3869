// Package concurrency has sessions, locks, elections and transactions that repeat
// themselves, on nothing but the KV, Watcher and Lease of a [v3.Client].
//
//	s, err := concurrency.NewSession(cli, concurrency.WithTTL(15))
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	m := concurrency.NewMutex(s, "/locks/report")
//	if err := m.Lock(ctx); err != nil {
//		return err
//	}
//	defer m.Unlock(context.WithoutCancel(ctx))
//	return write(s.Ctx(), m.IsOwner()) // ends when the lock may be lost
//
// # What is promised
//
//   - A lock has one holder, and an election one leader, at a time, of those whose
//     sessions are alive.
//   - Who came first is served first. Each waits for the one before, so that a
//     release wakes one, however many wait; and then for all that are older still,
//     in case the one before has only stopped waiting.
//   - A session ends, and says so by [Session.Done], before its lease can have
//     expired.
//   - Who holds something and dies, or is cut off, keeps others waiting for the TTL
//     at most, and a second or so until the server has noticed.
//   - A lost answer does nothing twice and leaves nothing behind. The key of a lock
//     or an election is its prefix and the ID of the lease, so that a request that is
//     repeated finds it. A request that may be carried out only after its sender
//     has given up is watched for until the session ends, and undone then.
//
// # Time
//
// Renewals are sent each third of the TTL. A session counts on four fifths of the
// TTL from an answer on, and on the whole TTL from the sending of that renewal on,
// whatever comes first, by the monotonic clock of the program. The server counts the
// whole TTL from later on. So about a fifth of it is left, when Done is closed, to
// stop what must not be done by two: pass [Session.Ctx] to it.
//
// # Fencing
//
// No clock helps a program that stands still between the look at its lock and the
// write that depends on it, or whose write is slow on its way. The lock may be
// another's when the write arrives. In etcd itself, [Mutex.IsOwner] as a condition
// of the writing transaction tells. Another store needs a number that grows with
// each holder, to refuse those that are lower than the greatest it has seen: the
// revision of [Mutex.Header], or [Election.Rev].
//
// # Within one program
//
// A session has one key below a prefix. Several Mutexes, or several Elections, of
// one session and one prefix exclude each other in the program, as those of
// different sessions do by the cluster. Sessions made of one lease by [WithLease] do
// not. A Mutex and an Election should not have the same prefix.
//
// # Partitions
//
// All requests and watches are made with [v3.WithRequireLeader]. A member without a
// leader refuses them at once, and they go to another one.
package concurrency
