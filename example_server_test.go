package client_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// exampleHistory is how many events an exampleServer remembers: few, so that
// falling out of the history takes few writes. A real etcd has 1,000.
const exampleHistory = 4

// exampleServer stands in for an etcd of one member, so that the examples run
// anywhere. It is no etcd: nothing expires, and what no example asks for is not
// there.
type exampleServer struct {
	*httptest.Server

	mu       sync.Mutex // guards the fields below
	index    uint64
	nodes    map[string]*client.Node // by key, without children; the root aside
	history  []*client.Response
	changed  chan struct{} // closed with the next event
	onWatch  func()        // runs once, when the next watch has been taken
	onWrite  func()        // runs once, before the next write is answered
	loseNext bool          // the next write is carried out and not answered
	users    map[string]*client.User
	roles    map[string]*client.Role
}

func newExampleServer() *exampleServer {
	s := &exampleServer{
		nodes:   map[string]*client.Node{},
		changed: make(chan struct{}),
		users:   map[string]*client.User{},
		roles:   map[string]*client.Role{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/keys/", s.serveKeys)
	mux.HandleFunc("GET /v2/members", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"members": []client.Member{s.member()}})
	})
	mux.HandleFunc("GET /v2/members/leader", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.member())
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, client.Versions{Server: "3.5.35", Cluster: "3.5.0"})
	})
	mux.HandleFunc("/v2/auth/enable", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("/v2/auth/users/{name}", s.serveUser)
	mux.HandleFunc("/v2/auth/roles/{name}", s.serveRole)
	s.Server = httptest.NewServer(mux)
	return s
}

func (s *exampleServer) member() client.Member {
	return client.Member{ID: "61ed543d4676de16", Name: "m0", PeerURLs: []string{"http://127.0.0.1:2380"}, ClientURLs: []string{s.URL}}
}

// anotherProgramSets is a write by somebody else.
func (s *exampleServer) anotherProgramSets(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store("set", key, value, 0, nil)
}

// afterNextWatch has another program write as soon as a watch waits.
func (s *exampleServer) afterNextWatch(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onWatch = func() { s.store("set", key, value, 0, nil) }
}

// beforeNextWrite has another program write just before the next write comes in.
func (s *exampleServer) beforeNextWrite(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onWrite = func() { s.store("set", key, value, 0, nil) }
}

// loseNextReply makes the connection break after the next write.
func (s *exampleServer) loseNextReply() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loseNext = true
}

func (s *exampleServer) serveKeys(w http.ResponseWriter, r *http.Request) {
	key := path.Clean(strings.TrimPrefix(r.URL.Path, "/v2/keys"))
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.FormValue("wait") == "true" {
		s.serveWatch(w, r, key)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	isWrite := r.Method != http.MethodGet
	if isWrite && s.onWrite != nil {
		s.onWrite()
		s.onWrite = nil
	}
	resp, err := s.answer(r, key)
	if isWrite && s.loseNext {
		s.loseNext = false
		panic(http.ErrAbortHandler)
	}
	s.writeAnswer(w, resp, err)
}

func (s *exampleServer) writeAnswer(w http.ResponseWriter, resp *client.Response, err *client.Error) {
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(s.index, 10))
	w.Header().Set("X-Etcd-Cluster-Id", "2f0dc070244a73c")
	if err != nil {
		writeJSON(w, err.StatusCode, err)
		return
	}
	writeJSON(w, http.StatusOK, resp)
}

func writeJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	writeBody(w, document)
}

func writeBody(w http.ResponseWriter, document any) {
	if err := json.NewEncoder(w).Encode(document); err != nil {
		panic(http.ErrAbortHandler) // the client sees a reply that breaks off
	}
}

// answer carries out a request other than a watch. s.mu is held.
func (s *exampleServer) answer(r *http.Request, key string) (*client.Response, *client.Error) {
	old := s.nodes[key]
	switch r.Method {
	case http.MethodGet:
		if old == nil && key != "/" {
			return nil, s.refuse(client.ErrorCodeKeyNotFound, key)
		}
		return &client.Response{Action: "get", Node: s.tree(key, r.FormValue("recursive") == "true")}, nil
	case http.MethodPost:
		return s.store("create", path.Join(key, fmt.Sprintf("%020d", s.index+1)), r.FormValue("value"), 0, nil), nil
	}
	if err := s.check(r, key, old); err != nil {
		return nil, err
	}
	compared := r.FormValue("prevValue") != "" || r.FormValue("prevIndex") != ""
	switch {
	case r.Method == http.MethodDelete && compared:
		return s.remove("compareAndDelete", key, old), nil
	case r.Method == http.MethodDelete:
		return s.remove("delete", key, old), nil
	}
	action, value := "set", r.FormValue("value")
	switch {
	case compared:
		action = "compareAndSwap"
	case r.FormValue("prevExist") == "true":
		action = "update"
	case r.FormValue("prevExist") == "false":
		action = "create"
	}
	ttl, err := strconv.ParseInt(r.FormValue("ttl"), 10, 64)
	if err != nil {
		ttl = 0 // none was sent
	}
	if r.FormValue("refresh") == "true" {
		value = old.Value
	}
	return s.store(action, key, value, ttl, old), nil
}

// check says why a write is refused; nil when it is not.
func (s *exampleServer) check(r *http.Request, key string, old *client.Node) *client.Error {
	prevExist, prevValue, prevIndex := r.FormValue("prevExist"), r.FormValue("prevValue"), r.FormValue("prevIndex")
	needed := r.Method == http.MethodDelete || prevExist == "true" || prevValue != "" || prevIndex != ""
	switch {
	case old == nil && needed:
		return s.refuse(client.ErrorCodeKeyNotFound, key)
	case old != nil && prevExist == "false":
		return s.refuse(client.ErrorCodeNodeExist, key)
	case prevValue != "" && prevValue != old.Value:
		return s.refuse(client.ErrorCodeTestFailed, fmt.Sprintf("[%s != %s]", prevValue, old.Value))
	case prevIndex != "" && prevIndex != strconv.FormatUint(old.ModifiedIndex, 10):
		return s.refuse(client.ErrorCodeTestFailed, fmt.Sprintf("[%s != %d]", prevIndex, old.ModifiedIndex))
	case r.Method == http.MethodDelete && old.Dir && r.FormValue("recursive") != "true":
		return s.refuse(client.ErrorCodeNotFile, key)
	}
	return nil
}

func (s *exampleServer) refuse(code int, cause string) *client.Error {
	known := map[int]client.Error{
		client.ErrorCodeKeyNotFound:       {StatusCode: http.StatusNotFound, Message: "Key not found"},
		client.ErrorCodeNodeExist:         {StatusCode: http.StatusPreconditionFailed, Message: "Key already exists"},
		client.ErrorCodeTestFailed:        {StatusCode: http.StatusPreconditionFailed, Message: "Compare failed"},
		client.ErrorCodeNotFile:           {StatusCode: http.StatusForbidden, Message: "Not a file"},
		client.ErrorCodeEventIndexCleared: {StatusCode: http.StatusBadRequest, Message: "The event in requested index is outdated and cleared"},
	}
	e := known[code]
	e.Code, e.Cause, e.Index = code, cause, s.index
	return &e
}

// store writes a file, and the directories above it that are missing.
func (s *exampleServer) store(action, key, value string, ttl int64, old *client.Node) *client.Response {
	s.index++
	n := &client.Node{Key: key, Value: value, CreatedIndex: s.index, ModifiedIndex: s.index}
	if old != nil && action != "set" {
		n.CreatedIndex = old.CreatedIndex
	}
	if ttl > 0 {
		expiration := time.Now().Add(time.Duration(ttl) * time.Second)
		n.TTL, n.Expiration = ttl, &expiration
	}
	s.nodes[key] = n
	for dir := path.Dir(key); dir != "/" && s.nodes[dir] == nil; dir = path.Dir(dir) {
		s.nodes[dir] = &client.Node{Key: dir, Dir: true, CreatedIndex: s.index, ModifiedIndex: s.index}
	}
	return s.record(&client.Response{Action: action, Node: n, PrevNode: old})
}

func (s *exampleServer) remove(action, key string, old *client.Node) *client.Response {
	s.index++
	maps.DeleteFunc(s.nodes, func(k string, _ *client.Node) bool { return k == key || strings.HasPrefix(k, key+"/") })
	n := &client.Node{Key: key, Dir: old.Dir, CreatedIndex: old.CreatedIndex, ModifiedIndex: s.index}
	return s.record(&client.Response{Action: action, Node: n, PrevNode: old})
}

// record makes an event known to the watches.
func (s *exampleServer) record(event *client.Response) *client.Response {
	s.history = append(s.history, event)
	s.history = s.history[max(0, len(s.history)-exampleHistory):]
	close(s.changed)
	s.changed = make(chan struct{})
	return event
}

// tree returns the node at key with its children, in the order of their keys.
func (s *exampleServer) tree(key string, recursive bool) *client.Node {
	n := &client.Node{Dir: true}
	if key != "/" {
		*n = *s.nodes[key]
	}
	for _, child := range slices.Sorted(maps.Keys(s.nodes)) {
		switch {
		case path.Dir(child) != key:
		case recursive:
			n.Nodes = append(n.Nodes, s.tree(child, true))
		default:
			n.Nodes = append(n.Nodes, s.nodes[child])
		}
	}
	return n
}

// serveWatch is a long poll: the header at once, the event when there is one.
func (s *exampleServer) serveWatch(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := strconv.ParseUint(r.FormValue("waitIndex"), 10, 64)
	if err != nil {
		next = s.index + 1 // none was sent
	}
	if len(s.history) == exampleHistory && next < s.history[0].Node.ModifiedIndex {
		s.writeAnswer(w, nil, s.refuse(client.ErrorCodeEventIndexCleared, fmt.Sprintf("the requested history has been cleared [%d/%d]", s.history[0].Node.ModifiedIndex, next)))
		return
	}
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(s.index, 10))
	w.WriteHeader(http.StatusOK)
	if flushErr := http.NewResponseController(w).Flush(); flushErr != nil {
		panic(http.ErrAbortHandler) // a watch that is not announced is none
	}
	if s.onWatch != nil {
		s.onWatch()
		s.onWatch = nil
	}
	for {
		for _, event := range s.history {
			below := r.FormValue("recursive") == "true" && strings.HasPrefix(event.Node.Key, key+"/")
			if event.Node.ModifiedIndex >= next && (event.Node.Key == key || below) {
				writeBody(w, event)
				return
			}
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		s.mu.Lock()
		if r.Context().Err() != nil {
			return
		}
	}
}

func (s *exampleServer) serveUser(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PathValue("name")
	user := s.users[name]
	switch {
	case r.Method == http.MethodPut:
		var change client.User
		if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if user == nil {
			user = &client.User{User: name}
			s.users[name] = user
		}
		user.Roles = append(user.Roles, change.Grant...)
	case user == nil:
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "auth: User " + name + " does not exist."})
		return
	case r.Method == http.MethodDelete:
		delete(s.users, name)
	}
	writeJSON(w, http.StatusOK, user)
}

func (s *exampleServer) serveRole(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PathValue("name")
	role := s.roles[name]
	switch {
	case r.Method == http.MethodPut:
		var change client.Role
		if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if role == nil {
			role = &client.Role{Role: name}
			s.roles[name] = role
		}
		if change.Grant != nil {
			kv := &role.Permissions.KV
			kv.Read = append(kv.Read, change.Grant.KV.Read...)
			kv.Write = append(kv.Write, change.Grant.KV.Write...)
		}
	case role == nil:
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "auth: Role " + name + " does not exist."})
		return
	}
	writeJSON(w, http.StatusOK, role)
}
