package clientv3

// SortTarget is what keys are sorted by.
type SortTarget int

// SortOrder is the direction in which keys are sorted.
type SortOrder int

// The directions: SortNone is the order of the store, by key upwards.
const (
	SortNone SortOrder = iota
	SortAscend
	SortDescend
)

// What keys can be sorted by.
const (
	SortByKey SortTarget = iota
	SortByVersion
	SortByCreateRevision
	SortByModRevision
	SortByValue
)

// SortOption is what [WithSort] asks for.
type SortOption struct {
	Target SortTarget
	Order  SortOrder
}

// WithSort makes a get of several keys return them sorted. Any other target or
// order than those of this package fails with rpctypes.ErrInvalidSortOption.
func WithSort(target SortTarget, order SortOrder) OpOption {
	return func(op *Op) { op.given |= withSort; op.sort = SortOption{Target: target, Order: order} }
}

// IsSortOptionValid reports whether what [WithSort] set, if anything, exists.
func (op Op) IsSortOptionValid() bool {
	return SortByKey <= op.sort.Target && op.sort.Target <= SortByValue &&
		SortNone <= op.sort.Order && op.sort.Order <= SortDescend
}

// WithFirstCreate makes a get return the oldest key, by its creation, of those
// that begin with the key given.
func WithFirstCreate() []OpOption { return firstBy(SortByCreateRevision, SortAscend) }

// WithLastCreate makes a get return the newest key, by its creation, of those
// that begin with the key given.
func WithLastCreate() []OpOption { return firstBy(SortByCreateRevision, SortDescend) }

// WithFirstKey makes a get return the first key of those that begin with the key
// given.
func WithFirstKey() []OpOption { return firstBy(SortByKey, SortAscend) }

// WithLastKey makes a get return the last key of those that begin with the key
// given.
func WithLastKey() []OpOption { return firstBy(SortByKey, SortDescend) }

// WithFirstRev makes a get return the key whose last change is the oldest, of
// those that begin with the key given.
func WithFirstRev() []OpOption { return firstBy(SortByModRevision, SortAscend) }

// WithLastRev makes a get return the key changed last, of those that begin with
// the key given.
func WithLastRev() []OpOption { return firstBy(SortByModRevision, SortDescend) }

func firstBy(target SortTarget, order SortOrder) []OpOption {
	return []OpOption{WithPrefix(), WithSort(target, order), WithLimit(1)}
}
