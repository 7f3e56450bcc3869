package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeDump writes a dump of files, 100 to a directory, from what package dump
// says of the format, and gives its name and the number of its nodes.
func writeDump(t *testing.T, files int) (name string, nodes int) {
	t.Helper()
	var text strings.Builder
	sum := sum{sha256.New()}
	directories := 0
	fmt.Fprintln(&text, `{"header":{"format":"etcd-v2-dump","version":1,"root":"/","index":1,"time":"2026-11-22T01:02:03Z"}}`)
	for i := range files {
		dir := fmt.Sprintf("/d%06d", i/100)
		if i%100 == 0 {
			fmt.Fprintf(&text, `{"node":{"key":%q,"dir":true}}`+"\n", dir)
			sum.add("d", dir)
			directories++
		}
		key := fmt.Sprintf("%s/k%02d", dir, i%100)
		fmt.Fprintf(&text, `{"node":{"key":%q,"value":"v"}}`+"\n", key)
		sum.add("f", key, "v")
	}
	fmt.Fprintf(&text, `{"trailer":{"keys":%d,"directories":%d,"sha256":"%x"}}`+"\n", files, directories, sum.Sum(nil))
	name = filepath.Join(t.TempDir(), "dump.jsonl")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name, files + directories
}

// A sum is that of a dump's nodes.
type sum struct{ hash.Hash }

func (s sum) add(kind string, parts ...string) {
	s.Write([]byte(kind))
	for _, part := range parts {
		s.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		s.Write([]byte(part))
	}
}
