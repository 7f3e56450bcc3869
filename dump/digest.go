package dump

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// digest counts nodes and sums up what they are. The package's comment says how.
type digest struct {
	sum        hash.Hash
	keys, dirs int64
	line       []byte
}

func newDigest() *digest { return &digest{sum: sha256.New()} }

func (d *digest) add(key string, dir bool, value string) {
	d.line = append(d.line[:0], 'f')
	if dir {
		d.line[0] = 'd'
	}
	d.text(key)
	if dir {
		d.dirs++
	} else {
		d.keys++
		d.text(value)
	}
	d.sum.Write(d.line)
}

func (d *digest) text(s string) {
	d.line = binary.BigEndian.AppendUint64(d.line, uint64(len(s)))
	d.line = append(d.line, s...)
}

func (d *digest) counts() Counts {
	return Counts{Keys: d.keys, Directories: d.dirs, SHA256: hex.EncodeToString(d.sum.Sum(nil))}
}
