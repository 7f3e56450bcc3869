package clientv3

// What follows reads and changes an Op, for proxies and tests.

// KeyBytes returns the key, which is not copied.
func (op Op) KeyBytes() []byte { return op.key }

// WithKeyBytes sets the key. It does not change a range end made from the last.
func (op *Op) WithKeyBytes(key []byte) { op.key = key }

// RangeBytes returns the end of the range, if any, which is not copied.
func (op Op) RangeBytes() []byte { return op.end }

// WithRangeBytes sets the end of the range.
func (op *Op) WithRangeBytes(end []byte) { op.end = end }

// ValueBytes returns the value of a put, which is not copied.
func (op Op) ValueBytes() []byte { return op.value }

// WithValueBytes sets the value of a put.
func (op *Op) WithValueBytes(v []byte) { op.value = v }

// IsGet reports whether op is a get.
func (op Op) IsGet() bool { return op.kind == opGet }

// IsPut reports whether op is a put.
func (op Op) IsPut() bool { return op.kind == opPut }

// IsDelete reports whether op is a delete.
func (op Op) IsDelete() bool { return op.kind == opDelete }

// IsTxn reports whether op is a transaction.
func (op Op) IsTxn() bool { return op.kind == opTxn }

// Txn returns the parts of a transaction, or nothing.
func (op Op) Txn() ([]Cmp, []Op, []Op) {
	if op.txn == nil {
		return nil, nil, nil
	}
	return op.txn.cmps, op.txn.thenOps, op.txn.elseOps
}

// Limit returns what [WithLimit] set.
func (op Op) Limit() int64 { return op.limit }

// Rev returns what [WithRev] set.
func (op Op) Rev() int64 { return op.rev }

// MinModRev returns what [WithMinModRev] set.
func (op Op) MinModRev() int64 { return op.minModRev }

// MaxModRev returns what [WithMaxModRev] set.
func (op Op) MaxModRev() int64 { return op.maxModRev }

// MinCreateRev returns what [WithMinCreateRev] set.
func (op Op) MinCreateRev() int64 { return op.minCreateRev }

// MaxCreateRev returns what [WithMaxCreateRev] set.
func (op Op) MaxCreateRev() int64 { return op.maxCreateRev }

// IsSerializable reports whether op has [WithSerializable].
func (op Op) IsSerializable() bool { return op.has(withSerializable) }

// IsKeysOnly reports whether op has [WithKeysOnly].
func (op Op) IsKeysOnly() bool { return op.has(withKeysOnly) }

// IsCountOnly reports whether op has [WithCountOnly].
func (op Op) IsCountOnly() bool { return op.has(withCountOnly) }

// IsPrevKV reports whether op has [WithPrevKV].
func (op Op) IsPrevKV() bool { return op.has(withPrevKV) }

// IsProgressNotify reports whether op has [WithProgressNotify].
func (op Op) IsProgressNotify() bool { return op.has(withProgressNotify) }

// IsCreatedNotify reports whether op has [WithCreatedNotify].
func (op Op) IsCreatedNotify() bool { return op.has(withCreatedNotify) }

// IsFilterPut reports whether op has [WithFilterPut].
func (op Op) IsFilterPut() bool { return op.has(withFilterPut) }

// IsFilterDelete reports whether op has [WithFilterDelete].
func (op Op) IsFilterDelete() bool { return op.has(withFilterDelete) }

// IsFragment reports whether op has [WithFragment].
func (op Op) IsFragment() bool { return op.has(withFragment) }

// IsSortSet reports whether op has [WithSort].
func (op Op) IsSortSet() bool { return op.has(withSort) }

// IsOptsWithPrefix reports whether op has [WithPrefix].
func (op Op) IsOptsWithPrefix() bool { return op.has(withPrefix) }

// IsOptsWithFromKey reports whether op has [WithFromKey].
func (op Op) IsOptsWithFromKey() bool { return op.has(withFromKey) }
