package clientv3

import (
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// CompareTarget is what of a key is compared.
type CompareTarget int

// CompareResult is what a comparison is to result in.
type CompareResult int

// What of a key can be compared.
const (
	CompareVersion CompareTarget = iota
	CompareCreated
	CompareModified
	CompareValue
	compareLease
)

// The results, each one more than the number that the protocol has for it.
const (
	compareNone CompareResult = iota // there was no Compare
	compareEqual
	compareGreater
	compareLess
	compareNotEqual
)

// Cmp is a condition of a transaction. A wrong one makes [Txn.Commit] fail.
type Cmp struct {
	target CompareTarget
	result CompareResult
	key    []byte
	end    []byte
	value  []byte
	number int64 // the version, revision or lease
	err    error
}

// Value is the value of key, for [Compare] with a string.
func Value(key string) Cmp { return Cmp{target: CompareValue, key: []byte(key)} }

// Version is how often key was put since it was created, for [Compare] with an
// integer. It is 0 if there is no key.
func Version(key string) Cmp { return Cmp{target: CompareVersion, key: []byte(key)} }

// CreateRevision is the revision that created key, for [Compare] with an integer.
// It is 0 if there is no key.
func CreateRevision(key string) Cmp { return Cmp{target: CompareCreated, key: []byte(key)} }

// ModRevision is the revision that last changed key, for [Compare] with an
// integer. It is 0 if there is no key.
func ModRevision(key string) Cmp { return Cmp{target: CompareModified, key: []byte(key)} }

// LeaseValue is the lease of key, for [Compare] with a LeaseID or an integer. It
// is [NoLease] if key has none, or if there is no key.
func LeaseValue(key string) Cmp { return Cmp{target: compareLease, key: []byte(key)} }

// Compare says what cmp is to be in relation to v: "=", "!=", ">" or "<". v is a
// string for a value, an int, int64 or LeaseID for all else. Anything else is an
// error of [Txn.Commit].
func Compare(cmp Cmp, result string, v any) Cmp {
	switch result {
	case "=":
		cmp.result = compareEqual
	case "!=":
		cmp.result = compareNotEqual
	case ">":
		cmp.result = compareGreater
	case "<":
		cmp.result = compareLess
	default:
		cmp.err = fmt.Errorf("clientv3: comparison of key %q by %q; there are =, !=, > and <", cmp.key, result)
		return cmp
	}
	isValue := cmp.target == CompareValue
	var fits bool
	switch v := v.(type) {
	case string:
		cmp.value, fits = []byte(v), isValue
	case int:
		cmp.number, fits = int64(v), !isValue
	case int64:
		cmp.number, fits = v, !isValue
	case LeaseID:
		cmp.number, fits = int64(v), cmp.target == compareLease
	}
	if !fits {
		cmp.err = fmt.Errorf("clientv3: comparison of key %q with a %T, which it is never", cmp.key, v)
	}
	return cmp
}

// WithRange makes cmp hold if it does for all keys from its key up to end,
// without end. It needs etcd 3.3.
func (cmp Cmp) WithRange(end string) Cmp {
	cmp.end = []byte(end)
	return cmp
}

// WithPrefix makes cmp hold if it does for all keys that begin with its key. It
// needs etcd 3.3.
func (cmp Cmp) WithPrefix() Cmp {
	if len(cmp.key) == 0 {
		cmp.key = []byte{0}
		cmp.end = []byte{0}
		return cmp
	}
	cmp.end = prefixEnd(cmp.key)
	return cmp
}

// KeyBytes returns the key, which is not copied.
func (cmp *Cmp) KeyBytes() []byte { return cmp.key }

// WithKeyBytes sets the key.
func (cmp *Cmp) WithKeyBytes(key []byte) { cmp.key = key }

// ValueBytes returns the value to compare with, if any, which is not copied.
func (cmp *Cmp) ValueBytes() []byte { return cmp.value }

// WithValueBytes sets the value to compare with.
func (cmp *Cmp) WithValueBytes(v []byte) { cmp.value = v }

// check returns what is wrong with cmp, if anything.
func (cmp *Cmp) check() error {
	switch {
	case cmp.err != nil:
		return cmp.err
	case len(cmp.key) == 0:
		return rpctypes.ErrEmptyKey
	case cmp.result == compareNone:
		return fmt.Errorf("clientv3: key %q is not a condition without Compare", cmp.key)
	}
	return nil
}

func (cmp *Cmp) request() *pb.Compare {
	request := &pb.Compare{
		Result:   pb.Compare_CompareResult(cmp.result - compareEqual),
		Target:   pb.Compare_CompareTarget(cmp.target),
		Key:      cmp.key,
		RangeEnd: cmp.end,
	}
	switch cmp.target {
	case CompareVersion:
		request.TargetUnion = &pb.Compare_Version{Version: cmp.number}
	case CompareCreated:
		request.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: cmp.number}
	case CompareModified:
		request.TargetUnion = &pb.Compare_ModRevision{ModRevision: cmp.number}
	case CompareValue:
		request.TargetUnion = &pb.Compare_Value{Value: cmp.value}
	case compareLease:
		request.TargetUnion = &pb.Compare_Lease{Lease: cmp.number}
	}
	return request
}
