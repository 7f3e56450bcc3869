package keystest

import (
	"fmt"
	"path"

	"github.com/coreos/etcd/client"
)

func (s *Store) get(key string, o client.GetOptions) (*client.Response, error) {
	e, err := s.find(key)
	if err != nil {
		return nil, err
	}
	return &client.Response{Action: "get", Node: e.tree(o.Recursive, o.Sort), Index: s.index, ClusterID: ClusterID}, nil
}

// set chooses as the server does: to create comes before to compare.
func (s *Store) set(key, value string, o *client.SetOptions) (*client.Response, error) {
	switch {
	case o.PrevExist == client.PrevNoExist:
		return s.create(key, value, o)
	case o.PrevValue != "" || o.PrevIndex != 0:
		return s.swap(key, value, o)
	case o.PrevExist == client.PrevExist:
		return s.update(key, value, o)
	}
	return s.replace(key, value, o)
}

func (s *Store) create(key, value string, o *client.SetOptions) (*client.Response, error) {
	if key == "/" {
		return nil, s.refuse(client.ErrorCodeRootROnly, key)
	}
	dir, err := s.parent(key)
	if err != nil {
		return nil, err
	}
	if dir.children[path.Base(key)] != nil {
		return nil, s.refuse(client.ErrorCodeNodeExist, key)
	}
	return s.place("create", dir, key, value, &client.SetOptions{Dir: o.Dir, TTL: o.TTL}), nil
}

func (s *Store) replace(key, value string, o *client.SetOptions) (*client.Response, error) {
	if key == "/" {
		return nil, s.refuse(client.ErrorCodeRootROnly, key)
	}
	if o.Refresh {
		old, err := s.find(key)
		if err != nil {
			return nil, err
		}
		value = old.value
	}
	dir, err := s.parent(key)
	if err != nil {
		return nil, err
	}
	if old := dir.children[path.Base(key)]; old != nil && old.isDir() {
		return nil, s.refuse(client.ErrorCodeNotFile, key)
	}
	return s.place("set", dir, key, value, o), nil
}

// place puts a new entry in a directory.
func (s *Store) place(action string, dir *entry, key, value string, o *client.SetOptions) *client.Response {
	ev := &event{action: action, silent: o.Refresh}
	if old := dir.children[path.Base(key)]; old != nil {
		ev.prev = old.node()
	}
	e := &entry{path: key, value: value, created: s.index + 1, modified: s.index + 1}
	if o.Dir {
		e.value, e.children = "", map[string]*entry{}
	}
	dir.children[path.Base(key)] = e
	s.setTTL(e, o.TTL)
	ev.node = e.node()
	return s.publish(ev)
}

func (s *Store) update(key, value string, o *client.SetOptions) (*client.Response, error) {
	e, err := s.writable(key)
	switch {
	case err != nil:
		return nil, err
	case e.isDir() && value != "":
		return nil, s.refuse(client.ErrorCodeNotFile, key)
	case e.isDir() && !s.DirUpdates:
		return nil, s.failUpdateOfDir(key)
	}
	return s.write("update", e, value, o), nil
}

func (s *Store) swap(key, value string, o *client.SetOptions) (*client.Response, error) {
	e, err := s.writable(key)
	if err == nil {
		err = s.compare(e, o.PrevValue, o.PrevIndex)
	}
	if err != nil {
		return nil, err
	}
	return s.write("compareAndSwap", e, value, o), nil
}

// write changes an entry in its place. A directory keeps its modifiedIndex.
func (s *Store) write(action string, e *entry, value string, o *client.SetOptions) *client.Response {
	ev := &event{action: action, prev: e.node(), silent: o.Refresh}
	if !o.Refresh {
		e.value = value
	}
	if !e.isDir() {
		e.modified = s.index + 1
	}
	s.setTTL(e, o.TTL)
	ev.node = e.node()
	ev.node.ModifiedIndex = s.index + 1
	return s.publish(ev)
}

func (s *Store) remove(key string, o *client.DeleteOptions) (*client.Response, error) {
	if o.PrevValue != "" || o.PrevIndex != 0 {
		return s.compareAndDelete(key, o)
	}
	e, err := s.writable(key)
	switch {
	case err != nil:
		return nil, err
	case e.isDir() && !o.Dir && !o.Recursive:
		return nil, s.refuse(client.ErrorCodeNotFile, key)
	case len(e.children) > 0 && !o.Recursive:
		return nil, s.refuse(client.ErrorCodeDirNotEmpty, key)
	}
	return s.drop("delete", e), nil
}

// compareAndDelete takes the root, which has no name to the server, for any directory.
func (s *Store) compareAndDelete(key string, o *client.DeleteOptions) (*client.Response, error) {
	e, err := s.find(key)
	switch {
	case err != nil:
		return nil, err
	case e == s.root:
		return nil, s.refuse(client.ErrorCodeNotFile, "")
	}
	if err := s.compare(e, o.PrevValue, o.PrevIndex); err != nil {
		return nil, err
	}
	return s.drop("compareAndDelete", e), nil
}

// drop removes an entry with all below it.
func (s *Store) drop(action string, e *entry) *client.Response {
	ev := &event{action: action, prev: e.node(), gone: map[string]bool{}}
	e.visit(func(e *entry) { ev.gone[e.path] = true })
	ev.node = &client.Node{Key: e.path, Dir: e.isDir(), CreatedIndex: e.created, ModifiedIndex: s.index + 1}
	if dir, err := s.parent(e.path); err == nil { // always: e is in it
		delete(dir.children, path.Base(e.path))
	}
	return s.publish(ev)
}

// writable gives the entry at a key that is not the root.
func (s *Store) writable(key string) (*entry, error) {
	if key == "/" {
		return nil, s.refuse(client.ErrorCodeRootROnly, key)
	}
	return s.find(key)
}

// compare refuses unless e is a file that has the value, if any, and the index, if any.
func (s *Store) compare(e *entry, value string, index uint64) error {
	if e.isDir() {
		return s.refuse(client.ErrorCodeNotFile, e.path)
	}
	values := fmt.Sprintf("[%s != %s]", value, e.value)
	indexes := fmt.Sprintf("[%d != %d]", index, e.modified)
	otherValue, otherIndex := value != "" && value != e.value, index != 0 && index != e.modified
	switch {
	case otherValue && otherIndex:
		return s.refuse(client.ErrorCodeTestFailed, values+" "+indexes)
	case otherValue:
		return s.refuse(client.ErrorCodeTestFailed, values)
	case otherIndex:
		return s.refuse(client.ErrorCodeTestFailed, indexes)
	}
	return nil
}
