package move

import (
	"cmp"
	"slices"
	"time"

	"github.com/coreos/etcd/client"
)

// A pair is what both sides have at a key.
type pair struct {
	key      string       // in the source
	src, dst *client.Node // nil: not there
}

// isSame reports whether both are there and hold the same; of TTLs, whether both
// have one or none.
func (p pair) isSame() bool {
	return p.src != nil && p.dst != nil && p.src.Dir == p.dst.Dir && p.src.Value == p.dst.Value && expires(p.src) == expires(p.dst)
}

// differInTTL reports whether both expire, but not at about the same time.
func (p pair) differInTTL(tolerance time.Duration) bool {
	return expires(p.src) && expires(p.dst) && (p.src.TTLDuration()-p.dst.TTLDuration()).Abs() > tolerance
}

func expires(n *client.Node) bool { return n != nil && (n.Expiration != nil || n.TTL > 0) }

// walk visits a pair and all below it, each directory before what is in it. Where
// the source has nothing, what is below is not visited.
func walk(p pair, visit func(pair) error) error {
	if p.src == nil && p.dst == nil {
		return nil
	}
	if err := visit(p); err != nil {
		return err
	}
	if p.src == nil {
		return nil
	}
	return walkBelow(p, visit)
}

// walkBelow visits what is in the directories of a pair.
func walkBelow(p pair, visit func(pair) error) error {
	src, dst := children(p.src), children(p.dst)
	for len(src) > 0 || len(dst) > 0 {
		var next pair
		order := compareHeads(src, dst)
		if order <= 0 {
			next.key, next.src, src = below(p.key, baseName(src[0].Key)), src[0], src[1:]
		}
		if order >= 0 {
			next.key, next.dst, dst = below(p.key, baseName(dst[0].Key)), dst[0], dst[1:]
		}
		if err := walk(next, visit); err != nil {
			return err
		}
	}
	return nil
}

// children gives what is in a directory, sorted by name.
func children(n *client.Node) client.Nodes {
	if n == nil {
		return nil
	}
	slices.SortFunc(n.Nodes, func(a, b *client.Node) int { return cmp.Compare(baseName(a.Key), baseName(b.Key)) })
	return n.Nodes
}

// compareHeads orders the first nodes of two lists, the end of one last.
func compareHeads(a, b client.Nodes) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	default:
		return cmp.Compare(baseName(a[0].Key), baseName(b[0].Key))
	}
}

// count gives the number of nodes below one.
func count(n *client.Node) int64 {
	if n == nil {
		return 0
	}
	sum := int64(len(n.Nodes))
	for _, child := range n.Nodes {
		sum += count(child)
	}
	return sum
}
