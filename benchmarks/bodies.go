package benchmarks

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
)

const (
	smallKey = "/services/web"
	treeKey  = "/services"
	// nodesPerDir is how many nodes a directory of a tree has.
	nodesPerDir = 1000
	// eventKey is the directory below which events happen.
	eventKey = "/events"
	// idleKey is a key whose watch never gets an event.
	idleKey = "/idle"
	// firstEvent is the index after which events happen.
	firstEvent = 1000
	// bodyIndex is the X-Etcd-Index of canned answers.
	bodyIndex = 4217042
)

// smallGet is the answer to a Get of one small key, as etcd writes it.
func smallGet() []byte {
	return []byte(`{"action":"get","node":{"key":"/services/web","value":"10.0.42.17:8080","modifiedIndex":4217001,"createdIndex":4216980}}` + "\n")
}

// smallSet is the answer to a Set of that key.
func smallSet() []byte {
	return []byte(`{"action":"set","node":{"key":"/services/web","value":"10.0.42.17:8080","modifiedIndex":4217042,"createdIndex":4217042},` +
		`"prevNode":{"key":"/services/web","value":"10.0.42.16:8080","modifiedIndex":4217001,"createdIndex":4217001}}` + "\n")
}

// keyNotFound is the error document for a key that does not exist.
func keyNotFound() []byte {
	return []byte(`{"errorCode":100,"message":"Key not found","cause":"/services/web","index":4217042}` + "\n")
}

// treeNode names the i-th node of a tree and returns what it holds.
func treeNode(i int) (dir, key, value string) {
	dir = fmt.Sprintf("%s/dir-%04d", treeKey, i/nodesPerDir)
	return dir, fmt.Sprintf("%s/node-%06d", dir, i), fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&0xff, i&0xff)
}

// tree is the answer to a recursive Get of so many nodes, in directories of a
// thousand. It has about 115 bytes for each node.
func tree(nodes int) []byte {
	var b bytes.Buffer
	b.Grow(nodes*120 + 1<<10)
	fmt.Fprintf(&b, `{"action":"get","node":{"key":%q,"dir":true,"nodes":[`, treeKey)
	for i := range nodes {
		dir, key, value := treeNode(i)
		if i%nodesPerDir == 0 {
			if i > 0 {
				b.WriteString(`],"modifiedIndex":4200000,"createdIndex":4200000},`)
			}
			fmt.Fprintf(&b, `{"key":%q,"dir":true,"nodes":[`, dir)
		} else {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"key":%q,"value":%q,"modifiedIndex":%d,"createdIndex":%d}`, key, value, 4200001+i, 4200001+i)
	}
	b.WriteString(`],"modifiedIndex":4200000,"createdIndex":4200000}],"modifiedIndex":4200000,"createdIndex":4200000}}` + "\n")
	return b.Bytes()
}

// appendEvent appends the line for the event of an index: a set of one of eight keys.
func appendEvent(line []byte, index uint64) []byte {
	const keys = 8
	node := func(name string, index uint64) {
		line = append(line, name...)
		line = strconv.AppendUint(line, index%keys, 10)
		line = append(line, `","value":"value `...)
		line = strconv.AppendUint(line, index, 10)
		line = append(line, `","modifiedIndex":`...)
		line = strconv.AppendUint(line, index, 10)
		line = append(line, `,"createdIndex":`...)
		line = strconv.AppendUint(line, index, 10)
		line = append(line, '}')
	}
	node(`{"action":"set","node":{"key":"`+eventKey+`/k`, index)
	node(`,"prevNode":{"key":"`+eventKey+`/k`, index-keys)
	return append(line, '}', '\n')
}

// etcdHeader is the header of etcd's answers.
func etcdHeader(index uint64) http.Header {
	return http.Header{
		"Content-Type":      {"application/json"},
		"X-Etcd-Cluster-Id": {"cdf818194e3a8c32"},
		"X-Etcd-Index":      {strconv.FormatUint(index, 10)},
		"X-Raft-Index":      {strconv.FormatUint(index+1000, 10)},
		"X-Raft-Term":       {"4"},
	}
}
