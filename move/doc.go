// Package move copies a directory of one etcd v2 store into another while programs
// go on writing to the first, follows their writes, and ends when they have stopped:
//
//	m, err := move.Start(ctx, from, to, nil)
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	if err := m.CaughtUp(ctx); err != nil {
//		return err
//	}
//	… // stop the programs that write to the source
//	report, err := m.Switch(ctx)
//	… // start them with the target
//
// Both sides are any KeysAPI. With one of package keysapi of the clientv3 module, the
// target is a cluster that has only the v3 API.
//
// # What is copied
//
// A snapshot is read with a quorum: directories, empty ones too, values, and TTLs as
// what is left of them. Then come the changes after it. Those of one key are applied
// in their order, and so are those of a directory and what is in it; others side by
// side. Where the source's history is lost, another snapshot is compared with the
// target, and what differs is written.
//
// No server tells of a refresh of a TTL. So before a node of the target expires, its
// node in the source is looked at, and the target's is refreshed if that one was.
//
// Hidden nodes, whose names begin with "_", are listed by no server. Known are those
// that Options.Hidden names, and those that are written within the history of the
// source, the last 1,000 events before Start, or until Switch. Of these it is the
// latest state that is copied, every two seconds and at last by Switch.
//
// # The target
//
// It belongs to the move until Switch has returned. It must be empty at first: then
// it is marked by a hidden key, [MarkName], so that a second run knows the state of
// an interrupted one and finishes it. What others write there meanwhile is an error
// that names the key, of a change ([*ConflictError]) or of Switch
// ([*DifferenceError]); but another snapshot, or a second run, takes it for its own
// state of earlier, and mends it.
//
// Each write says what a node is, so one of unknown outcome is sent again. Failing
// endpoints, of either side, are no errors: the move waits for them.
//
// # What is not copied
//
//   - CreatedIndex and ModifiedIndex: a node of the target has that store's.
//   - Users and roles.
//   - Nodes that the target refuses, because they are too large for it, for instance.
//     Switch reports them.
//   - TTLs that the target does not have: it may make a short one longer. Until
//     Switch, what expires in the source is removed there.
//
// # Memory
//
// One snapshot is held while it is copied, and the one of the target beside it when
// there is something in that, as in Switch; also 65,536 changes that wait, and the
// keys that have a TTL.
package move
