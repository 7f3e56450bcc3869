package keysapi

import (
	"bytes"
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
		if done.imply(ev) {
			continue
		}
		key := strings.TrimPrefix(string(ev.Kv.Key), prefix)
		if strings.ContainsRune(key, 0) {
			continue
		}
		c := change{dir: isMarker(ev.Kv.Key), deleted: ev.Type == clientv3.EventTypeDelete, kv: ev.Kv, prev: ev.PrevKv}
		c.key, c.prevDir = strings.TrimSuffix(key, "/"), c.dir
		if c.dir && !c.deleted {
			for _, other := range events {
				if other.Type == clientv3.EventTypeDelete && isMarkerOf(ev.Kv.Key, other.Kv.Key) {
					c.prev, c.prevDir = other.PrevKv, false
				}
			}
		}
		changes = append(changes, c)
	}
	return changes
}

// deeds are what the events of one revision did. There are no more puts than a
// transaction may have; deletes may be many, as one operation deletes a tree.
type deeds struct {
	puts    [][]byte
	removed map[string]bool // markers
}

func deedsOf(events []*clientv3.Event) deeds {
	if len(events) == 1 {
		return deeds{} // It can imply nothing else.
	}
	d := deeds{removed: map[string]bool{}}
	for _, ev := range events {
		switch {
		case ev.Type == clientv3.EventTypePut:
			d.puts = append(d.puts, ev.Kv.Key)
		case isMarker(ev.Kv.Key):
			d.removed[string(ev.Kv.Key)] = true
		}
	}
	return d
}

// imply reports whether another event says what ev says.
func (d deeds) imply(ev *clientv3.Event) bool {
	key := ev.Kv.Key
	if ev.Type == clientv3.EventTypePut { // a marker above what was put
		return isMarker(key) && slices.ContainsFunc(d.puts, func(other []byte) bool {
			return len(other) > len(key) && bytes.HasPrefix(other, key)
		})
	}
	for i := 0; len(d.removed) > 0 && i < len(key)-1; i++ { // deleted with its directory
		if key[i] == '/' && d.removed[string(key[:i+1])] {
			return true
		}
	}
	return slices.ContainsFunc(d.puts, func(other []byte) bool { return isMarkerOf(other, key) }) // a directory in the place of a file
}

func isMarker(key []byte) bool { return bytes.HasSuffix(key, []byte("/")) }

// isMarkerOf reports whether key is the marker of a directory in the place of a file.
func isMarkerOf(key, file []byte) bool {
	return len(key) == len(file)+1 && isMarker(key) && bytes.HasPrefix(key, file)
}
