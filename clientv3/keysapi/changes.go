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
	done := deedsOf(events)
	for _, ev := range events {
		whole := string(ev.Kv.Key)
		key := strings.TrimPrefix(whole, prefix)
		if strings.ContainsRune(key, 0) || done.imply(whole, ev.Type) {
			continue
		}
		c := change{dir: strings.HasSuffix(key, "/"), deleted: ev.Type == clientv3.EventTypeDelete, kv: ev.Kv, prev: ev.PrevKv}
		c.key, c.prevDir = strings.TrimSuffix(key, "/"), c.dir
		if file := done.deletes[strings.TrimSuffix(whole, "/")]; c.dir && !c.deleted && file != nil {
			c.prev, c.prevDir = file.PrevKv, false
		}
		changes = append(changes, c)
	}
	return changes
}

// Deeds are events of one revision by their keys. Puts are no more than a transaction
// may have; deletes may be many, for one operation deletes a tree.
type deeds struct {
	puts    []string
	deletes map[string]*clientv3.Event
}

func deedsOf(events []*clientv3.Event) deeds {
	d := deeds{}
	if len(events) < 2 {
		return d // which implies nothing else
	}
	d.deletes = make(map[string]*clientv3.Event, len(events))
	for _, ev := range events {
		if ev.Type == clientv3.EventTypePut {
			d.puts = append(d.puts, string(ev.Kv.Key))
		} else {
			d.deletes[string(ev.Kv.Key)] = ev
		}
	}
	return d
}

// imply reports whether another event says what that of key says.
func (d deeds) imply(key string, event mvccpb.Event_EventType) bool {
	if event == clientv3.EventTypePut { // a marker above what was put
		return strings.HasSuffix(key, "/") && slices.ContainsFunc(d.puts, func(other string) bool {
			return other != key && strings.HasPrefix(other, key) && !isCounter(other, key)
		})
	}
	for i := range len(key) - 1 { // deleted with its directory
		if key[i] == '/' && d.deletes[key[:i+1]] != nil {
			return true
		}
	}
	return slices.Contains(d.puts, key+"/") // a directory in the place of a file
}

// isCounter reports whether key is the counter of the directory with the marker.
func isCounter(key, marker string) bool { return key == marker+"\x00" }
