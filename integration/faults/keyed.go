package faults

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

const (
	oldValue = "old"
	newValue = "new"
	setsDir  = "/sets"
)

// A write is a call that changes a key that no other call knows.
type write struct {
	dir    string // of the keys
	exists bool   // the key, with the old value, before the call
	do     func(ctx context.Context, keys client.KeysAPI, key string, index uint64) error
	// applied reports whether the write was applied, by the node, which is nil
	// when there is none.
	applied func(n *client.Node) bool
}

func hasNewValue(n *client.Node) bool { return n != nil && n.Value == newValue }

// setting is a write of the new value. A PrevIndex stands for the key's.
func setting(dir string, exists bool, o client.SetOptions) write {
	return write{dir, exists, func(ctx context.Context, keys client.KeysAPI, key string, index uint64) error {
		if o.PrevIndex != 0 {
			o.PrevIndex = index
		}
		_, err := keys.Set(ctx, key, newValue, &o)
		return err
	}, hasNewValue}
}

func set() write { return setting(setsDir, false, client.SetOptions{}) }

func refreshing(dir string) write {
	return write{dir, true, func(ctx context.Context, keys client.KeysAPI, key string, _ uint64) error {
		_, err := keys.Set(ctx, key, "", &client.SetOptions{PrevExist: client.PrevExist, Refresh: true, TTL: time.Hour})
		return err
	}, func(n *client.Node) bool { return n != nil && n.TTL > 0 }}
}

func deleting(dir string, o client.DeleteOptions) write {
	return write{dir, true, func(ctx context.Context, keys client.KeysAPI, key string, _ uint64) error {
		_, err := keys.Delete(ctx, key, &o)
		return err
	}, func(n *client.Node) bool { return n == nil }}
}

// removals remove members. They are on their own: with another unstarted member
// there would soon be no quorum.
func removals() []Load {
	return []Load{{
		Name: "member Remove", Callers: 1, Pace: 50 * time.Millisecond, job: newMemberRemover,
		Requests: []harness.Match{{Method: http.MethodDelete, Path: membersPath}},
	}}
}

// everyWrite is each kind of write there is, but for removals of members.
func everyWrite() []Load {
	one := func(name, method, query string, once bool, w write) Load {
		return Load{
			Name: name, Callers: 1, Pace: 20 * time.Millisecond, AtMostOnce: once,
			Requests: []harness.Match{{Method: method, Path: "/v2/keys" + w.dir + "/", Query: query}},
			job:      keyed(w),
		}
	}
	const put, remove = http.MethodPut, http.MethodDelete
	return []Load{
		one("Set", put, "", false, setting("/set", false, client.SetOptions{})),
		one("Update", put, "prevExist=true", false, setting("/update", true, client.SetOptions{PrevExist: client.PrevExist})),
		one("refresh of a TTL", put, "prevExist=true", false, refreshing("/refresh")),
		one("Create", put, "prevExist=false", true, setting("/create", false, client.SetOptions{PrevExist: client.PrevNoExist})),
		one("swap by value", put, "prevValue=", true, setting("/swap-value", true, client.SetOptions{PrevValue: oldValue})),
		one("swap by index", put, "prevIndex=", true, setting("/swap-index", true, client.SetOptions{PrevIndex: 1})),
		one("Delete", remove, "", true, deleting("/delete", client.DeleteOptions{})),
		one("Delete by value", remove, "prevValue=", true, deleting("/delete-value", client.DeleteOptions{PrevValue: oldValue})),
		{
			Name: "CreateInOrder", Callers: 1, Pace: 20 * time.Millisecond, AtMostOnce: true, job: newCreator,
			Requests: []harness.Match{{Method: http.MethodPost, Path: "/v2/keys" + queue}},
		},
		{
			Name: "member Add", Callers: 1, Pace: 50 * time.Millisecond, AtMostOnce: true, job: newMemberAdder,
			Requests: []harness.Match{{Method: http.MethodPost, Path: membersPath}},
		},
		{
			Name: "AddUser", Callers: 1, Pace: 50 * time.Millisecond, AtMostOnce: true, job: newUserAdder,
			Requests: []harness.Match{{Method: put, Path: usersPath}},
		},
	}
}

// keyedJob makes one kind of write again and again.
type keyedJob struct {
	write
	load Load
	env  *env
	keys client.KeysAPI

	mu      sync.Mutex // guards the field below
	indexes map[int]uint64
}

func keyed(w write) func(Load, *env, client.Client) job {
	return func(l Load, s *env, c client.Client) job {
		return &keyedJob{write: w, load: l, env: s, keys: client.NewKeysAPI(c), indexes: map[int]uint64{}}
	}
}

func keyName(n int) string { return strconv.Itoa(n) }

func (j *keyedJob) key(n int) string { return j.dir + "/" + keyName(n) }

func (j *keyedJob) prepare(ctx context.Context, n int) error {
	if !j.exists {
		return nil
	}
	return j.env.eventually(ctx, func(ctx context.Context) error {
		resp, err := j.env.keys.Set(ctx, j.key(n), oldValue, nil)
		if err != nil {
			return err
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		j.indexes[n] = resp.Node.ModifiedIndex
		return nil
	})
}

func (j *keyedJob) call(ctx context.Context, _, n int) (wrote bool, err error) {
	j.mu.Lock()
	index := j.indexes[n]
	j.mu.Unlock()
	return true, j.do(ctx, j.keys, j.key(n), index)
}

func (j *keyedJob) audit(ctx context.Context, l *ledger, f *Findings) error {
	contents, err := j.env.contents(ctx, j.dir)
	if err != nil {
		return err
	}
	for n, o := range l.all() {
		f.judge(o, j.applied(contents[j.key(n)]))
	}
	if j.load.AtMostOnce || j.env.strict {
		f.countResent(j.env.sent(j.load.Requests...))
	}
	return nil
}

// countResent counts the requests that reached the servers more than once.
func (f *Findings) countResent(sent map[string]int) {
	for _, n := range sent {
		f.Twice += n - 1
	}
}
