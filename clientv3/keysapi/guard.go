package keysapi

import "github.com/coreos/etcd/clientv3"

// Conditions of transactions, by what they say of v2 nodes.

func isFile(p place) clientv3.Cmp { return clientv3.Compare(clientv3.Version(p.file), ">", 0) }

func isNoFile(p place) clientv3.Cmp { return clientv3.Compare(clientv3.Version(p.file), "=", 0) }

func isDir(p place) clientv3.Cmp {
	return clientv3.Compare(clientv3.Version(p.marker).WithRange(p.end), ">", 0)
}

func isNoDir(p place) clientv3.Cmp {
	return clientv3.Compare(clientv3.Version(p.marker).WithRange(p.end), "=", 0)
}

// isEmptyDir holds also where there is nothing.
func isEmptyDir(p place) clientv3.Cmp {
	return clientv3.Compare(clientv3.Version(p.inner).WithRange(p.end), "=", 0)
}

// noFileAbove holds if directories can be made, or are there, all the way to p.
func noFileAbove(p place) []clientv3.Cmp {
	guard := make([]clientv3.Cmp, 0, len(p.above)+3)
	for _, at := range p.above {
		guard = append(guard, isNoFile(at))
	}
	return guard
}

// meets holds for a file that has the value, unless that is empty, and the index,
// unless that is zero.
func meets(p place, value string, index uint64) []clientv3.Cmp {
	guard := []clientv3.Cmp{isFile(p)}
	if value != "" {
		guard = append(guard, clientv3.Compare(clientv3.Value(p.file), "=", value))
	}
	if index != 0 {
		guard = append(guard, clientv3.Compare(clientv3.ModRevision(p.file), "=", int64(index)))
	}
	return guard
}

// makeAbove makes the directories on the way to p that have no marker, and raises
// their counters.
func makeAbove(p place) []clientv3.Op {
	ops := raiseCounter(p)
	for _, at := range p.above {
		ops = append(ops, raiseCounter(at)...)
		missing := clientv3.Compare(clientv3.Version(at.marker), "=", 0)
		ops = append(ops, clientv3.OpTxn([]clientv3.Cmp{missing}, []clientv3.Op{clientv3.OpPut(at.marker, "")}, nil))
	}
	return ops
}
