package keysapi

import (
	"fmt"
	"net/http"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// A survey is what the store has at a place, and on the way there, at the revision
// at which an operation was refused: all that is needed to say why.
type survey struct {
	p     place
	index uint64
	above []sight // as place.above
	here  sight
	inner bool // the directory here is not empty
}

// A sight is what is at one key.
type sight struct {
	file *mvccpb.KeyValue
	dir  *mvccpb.KeyValue // the first key of the directory
}

// surveyOps are reads of a place and the way there; options go to each of them. With
// keys only, etcd 3.7 leaves out their leases, which those of the place itself need.
func surveyOps(p place, options ...clientv3.OpOption) []clientv3.Op {
	keyOnly := append([]clientv3.OpOption{clientv3.WithKeysOnly()}, options...)
	first := append([]clientv3.OpOption{clientv3.WithLimit(1)}, options...)
	firstKey := append([]clientv3.OpOption{clientv3.WithLimit(1)}, keyOnly...)
	ops := make([]clientv3.Op, 0, 2*len(p.above)+3)
	for _, at := range p.above {
		ops = append(ops, clientv3.OpGet(at.file, keyOnly...), getRange(at.marker, at.end, firstKey))
	}
	return append(ops, clientv3.OpGet(p.file, options...), getRange(p.marker, p.end, first), getRange(p.inner, p.end, firstKey))
}

func getRange(from, end string, options []clientv3.OpOption) clientv3.Op {
	op := clientv3.OpGet(from, options...)
	op.WithRangeBytes([]byte(end))
	return op
}

// surveyOf reads the answers to surveyOps.
func surveyOf(p place, index uint64, answers []*etcdserverpb.ResponseOp) survey {
	s := survey{p: p, index: index}
	for i := range p.above {
		s.above = append(s.above, sightOf(answers[2*i:]))
	}
	rest := answers[2*len(p.above):]
	s.here, s.inner = sightOf(rest), firstOf(rest[2]) != nil
	return s
}

func sightOf(answers []*etcdserverpb.ResponseOp) sight {
	return sight{file: firstOf(answers[0]), dir: firstOf(answers[1])}
}

func firstOf(answer *etcdserverpb.ResponseOp) *mvccpb.KeyValue {
	if kvs := answer.GetResponseRange().Kvs; len(kvs) > 0 {
		return kvs[0]
	}
	return nil
}

// exists reports whether there is a node.
func (s *survey) exists() bool { return s.here.file != nil || s.here.dir != nil }

// blocked gives the file on the way, if there is one.
func (s *survey) blocked() (client.Error, bool) {
	for i, at := range s.above {
		if at.file != nil {
			return s.refuse(client.ErrorCodeNotDir, s.p.above[i].key), true
		}
	}
	return client.Error{}, false
}

// missing says why there is no node: the first on the way that is a file or is not
// there.
func (s *survey) missing() client.Error {
	for i, at := range s.above {
		switch {
		case at.file != nil:
			return s.refuse(client.ErrorCodeNotDir, s.p.above[i].key)
		case at.dir == nil:
			return s.refuse(client.ErrorCodeKeyNotFound, s.p.above[i].key)
		}
	}
	return s.refuse(client.ErrorCodeKeyNotFound, s.p.key)
}

// differs says why a condition does not hold for the node.
func (s *survey) differs(value string, index uint64) client.Error {
	switch {
	case s.here.file == nil && s.here.dir != nil:
		return s.refuse(client.ErrorCodeNotFile, s.p.key)
	case s.here.file == nil:
		return s.missing()
	}
	var cause string
	if value != "" && value != string(s.here.file.Value) {
		cause = fmt.Sprintf("[%s != %s]", value, s.here.file.Value)
	}
	if index != 0 && index != uint64(s.here.file.ModRevision) {
		if cause != "" {
			cause += " "
		}
		cause += fmt.Sprintf("[%d != %d]", index, s.here.file.ModRevision)
	}
	return s.refuse(client.ErrorCodeTestFailed, cause)
}

func (s *survey) refuse(code int, cause string) client.Error { return refusal(code, cause, s.index) }

// refusal is what a v2 server says.
func refusal(code int, cause string, index uint64) client.Error {
	e := client.Error{Code: code, Cause: cause, Index: index, StatusCode: http.StatusBadRequest}
	switch code {
	case client.ErrorCodeKeyNotFound:
		e.Message, e.StatusCode = "Key not found", http.StatusNotFound
	case client.ErrorCodeTestFailed:
		e.Message, e.StatusCode = "Compare failed", http.StatusPreconditionFailed
	case client.ErrorCodeNotFile:
		e.Message, e.StatusCode = "Not a file", http.StatusForbidden
	case client.ErrorCodeNotDir:
		e.Message = "Not a directory"
	case client.ErrorCodeNodeExist:
		e.Message, e.StatusCode = "Key already exists", http.StatusPreconditionFailed
	case client.ErrorCodeRootROnly:
		e.Message = "Root is read only"
	case client.ErrorCodeDirNotEmpty:
		e.Message, e.StatusCode = "Directory not empty", http.StatusForbidden
	case client.ErrorCodeEventIndexCleared:
		e.Message = "The event in requested index is outdated and cleared"
	case client.ErrorCodeRaftInternal:
		e.Message, e.StatusCode = "Raft Internal Error", http.StatusInternalServerError
	case client.ErrorCodeLeaderElect:
		e.Message, e.StatusCode = "During Leader Election", http.StatusInternalServerError
	case client.ErrorCodeUnauthorized:
		e.Message, e.StatusCode = "The request requires user authentication", http.StatusUnauthorized
	}
	return e
}
