package clientv3

import (
	"math/bits"
	"strings"
)

// OpOption changes an operation. Options that an operation has no use for make
// it fail, except that a get passes over those of a watch, as both are often
// given the same list. Of two options that set the same thing, the last counts.
type OpOption func(*Op)

// optionSet has a bit for each option that an operation was given.
type optionSet uint32

const (
	withLease optionSet = 1 << iota
	withLimit
	withRev
	withSort
	withPrefix
	withRange
	withFromKey
	withSerializable
	withKeysOnly
	withCountOnly
	withMinModRev
	withMaxModRev
	withMinCreateRev
	withMaxCreateRev
	withPrevKV
	withIgnoreValue
	withIgnoreLease
	withProgressNotify
	withCreatedNotify
	withFilterPut
	withFilterDelete
	withFragment
)

const (
	keyRangeOptions = withPrefix | withRange | withFromKey
	watchOptions    = keyRangeOptions | withRev | withPrevKV | withProgressNotify | withCreatedNotify |
		withFilterPut | withFilterDelete | withFragment
)

// allowedOptions are those that an operation has a use for.
func allowedOptions(kind opKind) optionSet {
	switch kind {
	case opGet:
		return watchOptions | withLimit | withSort | withSerializable | withKeysOnly | withCountOnly |
			withMinModRev | withMaxModRev | withMinCreateRev | withMaxCreateRev
	case opPut:
		return withLease | withPrevKV | withIgnoreValue | withIgnoreLease
	case opDelete:
		return keyRangeOptions | withPrevKV
	case opWatch:
		return watchOptions
	case opMembers:
		return withSerializable
	default:
		return 0
	}
}

// String lists the options by name, for errors.
func (s optionSet) String() string {
	names := [...]string{
		"WithLease", "WithLimit", "WithRev", "WithSort", "WithPrefix", "WithRange", "WithFromKey",
		"WithSerializable", "WithKeysOnly", "WithCountOnly", "WithMinModRev", "WithMaxModRev",
		"WithMinCreateRev", "WithMaxCreateRev", "WithPrevKV", "WithIgnoreValue", "WithIgnoreLease",
		"WithProgressNotify", "WithCreatedNotify", "WithFilterPut", "WithFilterDelete", "WithFragment",
	}
	var given []string
	for ; s != 0; s &= s - 1 {
		given = append(given, names[bits.TrailingZeros32(uint32(s))])
	}
	return strings.Join(given, ", ")
}

func (op *Op) has(option optionSet) bool { return op.given&option != 0 }

func flag(option optionSet) OpOption {
	return func(op *Op) { op.given |= option }
}

// WithLease attaches the key of a put to a lease, whose end deletes the key. A
// put without it detaches the key.
func WithLease(leaseID LeaseID) OpOption {
	return func(op *Op) { op.given |= withLease; op.lease = leaseID }
}

// WithIgnoreValue makes a put keep the value that the key has. The put fails with
// rpctypes.ErrKeyNotFound if there is no key, and must have an empty value of its
// own (rpctypes.ErrValueProvided).
func WithIgnoreValue() OpOption { return flag(withIgnoreValue) }

// WithIgnoreLease makes a put keep the lease that the key has. The put fails with
// rpctypes.ErrKeyNotFound if there is no key, and must have no lease of its own
// (rpctypes.ErrLeaseProvided).
func WithIgnoreLease() OpOption { return flag(withIgnoreLease) }

// WithLimit bounds the number of keys that a get returns; GetResponse.More tells
// whether there are others. Zero means no limit.
func WithLimit(n int64) OpOption {
	return func(op *Op) { op.given |= withLimit; op.limit = n }
}

// WithRev makes a get answer as of revision rev, and a watch start with it. Zero
// means now. It fails with rpctypes.ErrCompacted if rev is no longer stored, and
// a get with rpctypes.ErrFutureRev if there is no rev yet.
func WithRev(rev int64) OpOption {
	return func(op *Op) { op.given |= withRev; op.rev = rev }
}

// WithPrefix makes the operation concern all keys that begin with its key; with
// an empty key, all keys.
func WithPrefix() OpOption {
	return func(op *Op) {
		op.given |= withPrefix
		if len(op.key) == 0 {
			op.key, op.end = []byte{0}, []byte{0}
			return
		}
		op.end = prefixEnd(op.key)
	}
}

// WithRange makes the operation concern all keys from its key up to endKey,
// without endKey.
func WithRange(endKey string) OpOption {
	return func(op *Op) { op.given |= withRange; op.end = []byte(endKey) }
}

// WithFromKey makes the operation concern its key and all keys after it.
func WithFromKey() OpOption {
	return func(op *Op) {
		op.given |= withFromKey
		if len(op.key) == 0 {
			op.key = []byte{0}
		}
		op.end = []byte{0}
	}
}

// WithSerializable makes a get or a MemberList answer from what the endpoint has,
// which may be behind the cluster. It needs no quorum and is faster.
func WithSerializable() OpOption { return flag(withSerializable) }

// WithKeysOnly makes a get leave out the values.
func WithKeysOnly() OpOption { return flag(withKeysOnly) }

// WithCountOnly makes a get return no more than GetResponse.Count.
func WithCountOnly() OpOption { return flag(withCountOnly) }

// WithMinModRev makes a get leave out keys last changed before revision rev.
func WithMinModRev(rev int64) OpOption {
	return func(op *Op) { op.given |= withMinModRev; op.minModRev = rev }
}

// WithMaxModRev makes a get leave out keys last changed after revision rev.
func WithMaxModRev(rev int64) OpOption {
	return func(op *Op) { op.given |= withMaxModRev; op.maxModRev = rev }
}

// WithMinCreateRev makes a get leave out keys created before revision rev.
func WithMinCreateRev(rev int64) OpOption {
	return func(op *Op) { op.given |= withMinCreateRev; op.minCreateRev = rev }
}

// WithMaxCreateRev makes a get leave out keys created after revision rev.
func WithMaxCreateRev(rev int64) OpOption {
	return func(op *Op) { op.given |= withMaxCreateRev; op.maxCreateRev = rev }
}

// WithPrevKV makes a put, a delete or a watch tell what the keys were before.
func WithPrevKV() OpOption { return flag(withPrevKV) }

// WithProgressNotify makes the server tell a watch without events how far it has
// come, every ten minutes unless the server is told otherwise.
func WithProgressNotify() OpOption { return flag(withProgressNotify) }

// WithCreatedNotify makes the server's word that the watch exists the first
// response of a watch.
func WithCreatedNotify() OpOption { return flag(withCreatedNotify) }

// WithFilterPut keeps puts from a watch.
func WithFilterPut() OpOption { return flag(withFilterPut) }

// WithFilterDelete keeps deletes from a watch.
func WithFilterDelete() OpOption { return flag(withFilterDelete) }

// WithFragment allows the server to split what it tells a watch at one time
// where it would be larger than a request may be.
func WithFragment() OpOption { return flag(withFragment) }

// GetPrefixRangeEnd returns the end of the range of keys that begin with prefix:
// WithRange(GetPrefixRangeEnd(key)) is WithPrefix.
func GetPrefixRangeEnd(prefix string) string { return string(prefixEnd([]byte(prefix))) }

// prefixEnd gives the least key after all those that begin with prefix. If there
// is none it gives a zero byte, which means the end of all keys.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return []byte{0}
}

// IsOptsWithPrefix reports whether opts has WithPrefix.
func IsOptsWithPrefix(opts []OpOption) bool { return optionsOf(opts).has(withPrefix) }

// IsOptsWithFromKey reports whether opts has WithFromKey.
func IsOptsWithFromKey(opts []OpOption) bool { return optionsOf(opts).has(withFromKey) }

func optionsOf(opts []OpOption) *Op {
	op := newOp(opGet, nil, opts)
	return &op
}
