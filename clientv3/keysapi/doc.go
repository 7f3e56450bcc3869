// Package keysapi serves client.KeysAPI and client.MembersAPI on clusters that have
// only the v3 API, as etcd 3.6 and later.
//
// A program moves by changing how it makes its KeysAPI:
//
//	cluster, err := keysapi.Open(ctx, client.Config{Endpoints: endpoints})
//	if err != nil {
//		return err
//	}
//	defer cluster.Close()
//	resp, err := cluster.Keys.Get(ctx, "/config", nil)
//
// [Open] takes the v2 API where the server has it. [New] makes a KeysAPI of a v3
// client. What is built on KeysAPI works on both: client.Events, client.Modify, and
// the packages mirror and concurrency.
//
// # Layout
//
// The value of the key /a/b is that of the key /a/b in the v3 store, as etcdctl
// migrate writes it. A directory is a key that ends in a slash, with an empty value;
// migrated directories have none and are there as long as something is in them. A
// directory with nodes of CreateInOrder has a key that ends in a slash and a NUL, with
// the greatest name that was given there. Other keys with a NUL, and those whose names
// are empty, are not seen.
//
// An index is a revision. A write is one transaction, which also has what is needed to
// tell why it was refused; a write with a TTL grants a lease before it, and a Get of
// nodes with a TTL asks for the time that their leases have left. A Get of a directory
// reads all that is below it, Recursive or not, as v3 can't leave it out. A Watcher that
// is read in a loop has a watch of the v3 API that ends a second after the last Next;
// about 4 MiB of events wait in it at most.
//
// # Errors
//
// A refusal is a client.Error with the code, status, message, cause and index of v2.
// Without enough permissions, or with a wrong password, it has the code 110. A failure
// of a call is a *client.ClusterError, in which there is a client.Error of the code 301
// where the cluster says that it has no leader, and 300 where it gives another reason.
// Anything else that the server says, as that its space is used up, is a
// *client.ReplyError that wraps an error of package rpctypes. Error.Endpoint is empty.
//
// Failed calls are repeated as client.KeysAPI says. Reads are, for more than two
// seconds, and so is a write of which no server was told. A call that no member has a
// leader for is repeated for about 15 seconds, which is longer than elections take. A
// Set without a condition and an Update whose outcome is unknown are sent again, up to
// four times within two seconds, unless [WithStrictWrites] says no. All other writes
// then fail with an error that is client.ErrOutcomeUnknown. A call that may be repeated
// and is not answered when half of the time to the deadline of its context is over is
// sent to another endpoint, if there is one. The end of a context ends all that.
//
// # What is not as in v2
//
//   - A node that is set anew keeps its CreatedIndex until it is deleted.
//   - Events of writes say "set", whether it was create, update or compareAndSwap, and
//     "delete" for compareAndDelete. The answers to these calls say what v2 says.
//   - The shortest TTL is what the server allows for leases, about two seconds.
//   - When the TTL of a directory ends, what is in it stays, and the directory with it,
//     without a TTL: there is no event.
//   - A refresh with the TTL that the node has does not change its index. One with
//     another TTL is an event.
//   - An update of a directory changes its ModifiedIndex, which etcd 3.4 leaves as it
//     is; etcd 3.5 answers it with 500.
//   - An event "expire" tells no time in PrevNode.Expiration. A removal of a node with
//     a TTL that is read later than that TTL says "expire" too.
//   - The name that CreateInOrder gives is the index of the node only while nobody else
//     writes. It is unique in its directory and greater than all names of 20 digits
//     that were there since the directory was made: a queue that was brought along
//     from a v2 store with a greater index goes on after its last name. A name that
//     another program puts into the v3 store counts if that is done before the first
//     CreateInOrder in the directory.
//   - A watch reaches back to the last compaction, not for 1,000 events. One that
//     catches up is told of the removal of a directory above its key only if the key
//     was there.
//   - A lease stays until its TTL has passed when its node is written or deleted.
//   - Users and roles are those of v3. A user needs permission for the key, what is
//     below it, and the directories above it.
//   - A key has at most 60 elements or so, the directory of CreateInOrder 39, by the
//     --max-txn-ops of the server.
package keysapi
