// Package concurrency has sessions, locks, elections and queues on the etcd v2 API.
// It needs nothing but a [client.KeysAPI], be it of this module, of another one or a
// fake, on etcd 2.3 and later.
//
//	s, err := concurrency.NewSession(kapi, concurrency.WithTTL(15))
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	m := concurrency.NewMutex(s, "/locks/report")
//	if err := m.Lock(ctx); err != nil {
//		return err
//	}
//	defer m.Unlock(context.WithoutCancel(ctx))
//	return write(s.Ctx(), m.Fence()) // ends when the lock may be lost
//
// Names and shapes are those of the package of the same name for etcd v3, where the
// idea is the same. There, a lease keeps keys alive; v2 has none, but each key may
// have a TTL, and a [Session] renews those of all that is held by it.
//
// # What is promised
//
//   - A lock has one holder, and an election one leader, at a time, of those whose
//     sessions are alive.
//   - Nothing is lost while its session lives: the loss of the key of a lock, of a
//     place in a line, of a leadership or of a claim ends the session.
//   - A session ends, and says so by [Session.Done], before the server can have
//     dropped any of its keys for want of renewals.
//   - Who holds something and dies, or is cut off, keeps others waiting for the TTL
//     at most.
//   - Who came first is served first. Each waits for the one ahead, so that a
//     release wakes one, however many wait.
//   - A lost answer leaves nothing behind and does nothing twice. Each key has a
//     value that is written once, so that its owner finds it again. A request that
//     is carried out only after its sender has given up is looked for until 10
//     seconds later, while the session lives; what comes later goes with its TTL.
//
// # Time
//
// A key of a session counts as held for four fifths of the TTL after the last
// renewal that succeeded was sent, by the monotonic clock of the program. It is
// renewed each third of the TTL; each attempt may take an eighth of it, and is made
// again a thirtieth of it, at most a second, after it began, or at once where it took
// longer. The server counts the whole TTL, from later on. So a fifth is left for two things:
//   - to stop, when Done is closed: pass [Session.Ctx] to what must not be done by
//     two, and let it end,
//   - the clocks of the members. A v2 server stores when a key expires by the clock
//     of the member that took the write, and the leader drops it by its own. If
//     these differ by more than a fifth of the TTL, a key can go before its session
//     has ended.
//
// A TTL is whole seconds, one at least; the server drops keys up to half a second
// late. A cluster that elects a leader does not answer for one to several seconds,
// so that sessions with a TTL below about 5 will end with each election.
//
// # Fencing
//
// No clock helps a program that stands still between the look at its lock and the
// write that depends on it: its process is stopped, its machine is suspended (the
// monotonic clock may stop, too), or the write is slow on its way. The lock may be
// another's when the write arrives. Only the store that is written to can tell:
// pass it [Mutex.Fence] or [Election.Rev], and have it refuse any that is lower than
// the greatest it has seen.
//
// # Partitions
//
// A program on the side of a quorum goes on: the session gets over members that
// fail, as long as renewals get through in time. One on the other side gets no
// answer; its session ends, and those on the side of the quorum go on when the TTL
// has passed. There is no state in which both sides hold the same.
//
// # Keys
//
// Each lock, election and queue has a directory for itself, its prefix. A place in
// the line of a lock or election is an in-order key in it. Other keys in there are
// ignored. The directory stays when it is empty: to remove one that is not used any
// more, Delete it with DeleteOptions.Dir and not Recursive, which fails if somebody
// has come. With authentication, the user needs to read and write the prefix, and
// to write the directory of [WithDirectory].
//
// # Cost
//
// A session costs a write each third of the TTL, and another for each lock, place
// in a line, leadership or claim; at most 16 are under way at a time. Who waits has
// one watch. A lock that is free costs a write and a read, and a write to give it
// up; to be handed one costs a read.
package concurrency
