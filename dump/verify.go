package dump

import (
	"context"
	"io"
	"slices"

	"github.com/coreos/etcd/client/internal/keypath"
)

// verify reads the store again, and compares what it has of the dump.
func (s *snapshotImport) verify(ctx context.Context) error {
	s.before = nil
	if s.opts.SkipVerify || s.opts.DryRun || s.raced {
		return nil
	}
	s.report.begin(PhaseVerify, s.want.keys+s.want.dirs)
	t, err := readTree(ctx, s.store, s.root, s.hidden)
	if err != nil {
		return err
	}
	got := s.digestOf(t)
	s.report.end()
	want := s.want.counts()
	if want == got {
		s.sum.Verified = true
		return nil
	}
	return s.differences(ctx, &VerifyError{Want: want, Got: got})
}

// digestOf sums up what is compared of the store, by the keys of the dump.
func (s *snapshotImport) digestOf(t *tree) Counts {
	got := newDigest()
	out := s.leaveOut
	for n := t.peek(); n != nil; n = t.peek() {
		for len(out) > 0 && compareKeys(out[0], n.Key) < 0 && !keypath.IsWithin(n.Key, out[0]) {
			out = out[1:]
		}
		switch {
		case n.Key == s.root && s.from == "/":
			t.pop()
			continue
		case len(out) > 0 && keypath.IsWithin(n.Key, out[0]), expires(n):
			t.skip()
			continue
		}
		got.add(keypath.Moved(n.Key, s.root, s.from), n.Dir, n.Value)
		s.report.step(n.Key)
		t.pop()
	}
	return got.counts()
}

// differences names the nodes in which the store is not as the dump says, if the
// dump can be read again. If none is, somebody else has written other keys
// meanwhile, and all is well.
func (s *snapshotImport) differences(ctx context.Context, failed *VerifyError) error {
	if s.again == nil {
		return failed
	}
	err := s.again(func(dump io.Reader) error {
		for d, err := range Diff(ctx, Store(s.store.kapi, s.root), File(dump), DiffOptions{}) {
			switch {
			case err != nil:
				return err
			case d.Kind != OnlyLeft && !s.isLeftOut(&d):
				failed.Differences = append(failed.Differences, d)
			}
			if len(failed.Differences) == maxListed {
				break
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(failed.Differences) > 0:
		return failed
	}
	s.sum.Verified = true
	return nil
}

// isLeftOut reports whether a node is not compared.
func (s *snapshotImport) isLeftOut(d *Difference) bool {
	if s.expires(d.Right) || d.Left != nil && d.Left.Expiration != nil {
		return true
	}
	key := keypath.Moved(d.Key, "/", s.root)
	return slices.ContainsFunc(s.leaveOut, func(out string) bool { return keypath.IsWithin(key, out) })
}
