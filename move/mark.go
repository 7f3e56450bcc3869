package move

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// MarkName is the name of the hidden key in the directory of the target that says
// which move it belongs to. Switch removes it.
const MarkName = "_etcd_client_move"

// A mark is what the key holds, as JSON.
type mark struct {
	Cluster string `json:"sourceClusterID,omitempty"`
	From    string `json:"from"`
	Run     string `json:"run"` // one Start

	index uint64 // of the key
}

// claim has the target marked as that of this move.
func (m *Move) claim(ctx context.Context) error {
	r, err := m.source.kapi.Get(ctx, m.source.root, &client.GetOptions{Quorum: true})
	switch {
	case isMissing(err): // it may come yet
	case err != nil && isContext(err):
		return err
	case err != nil:
		return m.source.named("get", m.source.root, err)
	case !r.Node.Dir:
		return &client.InvalidInputError{Field: "From", Value: m.source.root, Reason: "it is a file, and no directory"}
	default:
		m.mark.Cluster = r.ClusterID
	}
	m.mark.From, m.mark.Run = m.source.root, rand.Text()
	before, err := m.readMark(ctx)
	if err == nil && before == nil {
		err = m.checkEmpty(ctx)
	}
	if err == nil {
		err = m.writeMark(ctx, before)
	}
	if err != nil {
		return err
	}
	return m.checkApart(ctx)
}

func (m *Move) markKey() string { return below(m.target.root, MarkName) }

// readMark gives the mark of an earlier run; nil: there is none.
func (m *Move) readMark(ctx context.Context) (*mark, error) {
	r, err := m.target.kapi.Get(ctx, m.markKey(), &client.GetOptions{Quorum: true})
	switch {
	case isMissing(err):
		return nil, nil
	case isContext(err):
		return nil, err
	case err != nil:
		return nil, m.target.named("get", m.markKey(), err)
	}
	before := mark{index: r.Node.ModifiedIndex}
	err = json.Unmarshal([]byte(r.Node.Value), &before)
	if !m.opts.Overwrite && (err != nil || !m.mark.continues(before)) {
		return nil, &NotEmptyError{Dir: m.target.root, Key: m.markKey(), Mark: r.Node.Value}
	}
	return &before, nil
}

// continues reports whether both are of moves of the same source.
func (k mark) continues(before mark) bool {
	known := k.Cluster != "" && before.Cluster != ""
	return k.From == before.From && (!known || k.Cluster == before.Cluster)
}

func (m *Move) checkEmpty(ctx context.Context) error {
	if m.opts.Overwrite {
		return nil
	}
	n, _, err := m.target.get(ctx, m.target.root, false)
	switch {
	case err != nil || n == nil:
		return err
	case !n.Dir:
		return &NotEmptyError{Dir: m.target.root, Key: m.target.root}
	case len(n.Nodes) > 0:
		return &NotEmptyError{Dir: m.target.root, Key: n.Nodes[0].Key}
	}
	return nil
}

func (m *Move) writeMark(ctx context.Context, before *mark) error {
	text, err := json.Marshal(m.mark)
	if err != nil {
		return fmt.Errorf("move: the mark: %w", err)
	}
	opts := client.SetOptions{PrevExist: client.PrevNoExist}
	if before != nil {
		opts = client.SetOptions{PrevIndex: before.index}
	}
	r, err := m.target.set(ctx, m.markKey(), string(text), &opts)
	switch {
	case err == nil:
		m.mark.index = r.Node.ModifiedIndex
		return nil
	case !client.IsNodeExist(err) && !client.IsTestFailed(err):
		return err
	}
	// An attempt whose answer was lost may have been the first to come.
	n, _, getErr := m.target.get(ctx, m.markKey(), false)
	switch {
	case getErr != nil:
		return getErr
	case n != nil && n.Value == string(text):
		m.mark.index = n.ModifiedIndex
		return nil
	case n != nil:
		return &NotEmptyError{Dir: m.target.root, Key: m.markKey(), Mark: n.Value}
	}
	return err
}

// checkApart makes sure that no side is within the other: the mark of the one would
// be seen in the other.
func (m *Move) checkApart(ctx context.Context) error {
	if !keypath.IsWithin(m.source.root, m.target.root) && !keypath.IsWithin(m.target.root, m.source.root) {
		return nil
	}
	n, _, err := m.source.get(ctx, m.markKey(), false)
	if err != nil || n == nil || !strings.Contains(n.Value, m.mark.Run) {
		return err
	}
	if err := m.unmark(ctx); err != nil {
		return err
	}
	return &client.InvalidInputError{Field: "To", Value: m.target.root, Reason: fmt.Sprintf("it is in the same store as the source %q, and one is within the other", m.source.root)}
}

// unmark gives the target free.
func (m *Move) unmark(ctx context.Context) error {
	sent := false
	err := m.target.patiently(ctx, "delete", m.markKey(), func() error {
		_, err := m.target.kapi.Delete(ctx, m.markKey(), &client.DeleteOptions{PrevIndex: m.mark.index})
		if sent && client.IsKeyNotFound(err) {
			return nil
		}
		sent = sent || client.MayBeApplied(err)
		return err
	})
	if client.IsTestFailed(err) || client.IsKeyNotFound(err) {
		return &ConflictError{Key: m.markKey()}
	}
	return err
}
