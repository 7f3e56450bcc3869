package keysapi

import (
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/coreos/etcd/clientv3"
)

// A change is what v2 has as an event: what became of one node.
type change struct {
	key     string // in v2
	dir     bool
	deleted bool
	kv      *mvccpb.KeyValue
	prev    *mvccpb.KeyValue // what was there before, a file or a marker; may be nil
	prevDir bool
}

// changesOf makes changes of the events of one revision, which are below a prefix.
//
//   - A marker that was made for what is below it is no change.
//   - What was deleted with the marker of its directory is none either.
//   - A file that was deleted for a directory in its place is the directory's change.
func changesOf(prefix string, events []*clientv3.Event) []change {
	var changes []change
	for _, ev := range events {
		key := strings.TrimPrefix(string(ev.Kv.Key), prefix)
		if strings.ContainsRune(key, 0) || impliedBy(events, ev) {
			continue
		}
		c := change{dir: strings.HasSuffix(key, "/"), deleted: ev.Type == clientv3.EventTypeDelete, kv: ev.Kv, prev: ev.PrevKv}
		c.key, c.prevDir = strings.TrimSuffix(key, "/"), c.dir
		if c.dir && !c.deleted {
			for _, other := range events {
				if other.Type == clientv3.EventTypeDelete && string(other.Kv.Key)+"/" == string(ev.Kv.Key) {
					c.prev, c.prevDir = other.PrevKv, false
				}
			}
		}
		changes = append(changes, c)
	}
	return changes
}

// impliedBy reports whether one of the other events says what ev says.
func impliedBy(events []*clientv3.Event, ev *clientv3.Event) bool {
	key := string(ev.Kv.Key)
	return slices.ContainsFunc(events, func(other *clientv3.Event) bool {
		otherKey := string(other.Kv.Key)
		switch {
		case other == ev:
			return false
		case ev.Type == clientv3.EventTypePut: // a marker above what was put
			return other.Type == clientv3.EventTypePut && strings.HasSuffix(key, "/") && strings.HasPrefix(otherKey, key)
		case other.Type == clientv3.EventTypePut: // a directory in the place of a file
			return otherKey == key+"/"
		default: // deleted with its directory
			return strings.HasSuffix(otherKey, "/") && strings.HasPrefix(key, otherKey)
		}
	})
}
