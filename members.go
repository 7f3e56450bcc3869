package client

import (
	"context"
	"net/http"
	"slices"
)

const membersPath = "/v2/members"

// Member is a member of the cluster.
type Member struct {
	// ID is the member's identifier, in hexadecimal.
	ID string `json:"id"`

	// Name is empty until the member has started.
	Name string `json:"name"`

	// PeerURLs are where the other members reach it.
	PeerURLs []string `json:"peerURLs"`

	// ClientURLs are where it says that clients reach it; none until it has
	// started.
	ClientURLs []string `json:"clientURLs"`
}

// MembersAPI reads and changes the membership of the cluster. Make it with
// NewMembersAPI. It is safe for concurrent use.
//
// The error of each call is one of a [*ReplyError] with status, message and
// endpoint, when etcd refuses; an [*InvalidInputError], before anything is sent;
// a [*ClusterError], when no endpoint gave a usable answer; and ctx.Err(). Reads
// go on to the next endpoint after any failure; changes only when the failed
// endpoint can't have received them, and otherwise stop with an error that is
// [ErrOutcomeUnknown].
//
// Source: etcd v2 members API documentation.
type MembersAPI interface {
	// List returns all members.
	List(ctx context.Context) ([]Member, error)

	// Add makes a place for a member that will listen at peerURL, and returns
	// it. The member is to be started then; until it has, it counts towards
	// the quorum without being there.
	Add(ctx context.Context, peerURL string) (*Member, error)

	// Remove takes a member out of the cluster. A member that was removed
	// before is no error.
	Remove(ctx context.Context, mID string) error

	// Update replaces the peer URLs of a member.
	Update(ctx context.Context, mID string, peerURLs []string) error

	// Leader returns the member that leads the cluster.
	Leader(ctx context.Context) (*Member, error)
}

// NewMembersAPI makes a MembersAPI that sends its calls by c.
func NewMembersAPI(c Client) MembersAPI { return &httpMembersAPI{client: c} }

type httpMembersAPI struct{ client Client }

type peerURLs struct {
	PeerURLs []string `json:"peerURLs"`
}

// List implements MembersAPI.
func (m *httpMembersAPI) List(ctx context.Context) ([]Member, error) {
	act := &action{spec: requestSpec{method: http.MethodGet, path: membersPath}, class: classRead}
	return call(ctx, m.client, act, decodeMembers)
}

// Leader implements MembersAPI.
func (m *httpMembersAPI) Leader(ctx context.Context) (*Member, error) {
	act := &action{spec: requestSpec{method: http.MethodGet, path: membersPath + "/leader"}, class: classRead}
	return call(ctx, m.client, act, decodeMember)
}

// Add implements MembersAPI.
func (m *httpMembersAPI) Add(ctx context.Context, peerURL string) (*Member, error) {
	act := &action{spec: requestSpec{method: http.MethodPost, path: membersPath}, class: classOnce}
	if err := setPeerURLs(act, []string{peerURL}); err != nil {
		return nil, err
	}
	return call(ctx, m.client, act, decodeMember)
}

// Update implements MembersAPI.
func (m *httpMembersAPI) Update(ctx context.Context, mID string, peerURLs []string) error {
	path, err := namePath(membersPath, "member ID", mID)
	if err != nil {
		return err
	}
	act := &action{spec: requestSpec{method: http.MethodPut, path: path}, class: classOnce}
	if err = setPeerURLs(act, peerURLs); err != nil {
		return err
	}
	_, err = call(ctx, m.client, act, decodeNothing)
	return err
}

// Remove implements MembersAPI.
func (m *httpMembersAPI) Remove(ctx context.Context, mID string) error {
	path, err := namePath(membersPath, "member ID", mID)
	if err != nil {
		return err
	}
	act := &action{spec: requestSpec{method: http.MethodDelete, path: path}, class: classOnce}
	_, err = call(ctx, m.client, act, decodeRemoved)
	return err
}

func setPeerURLs(act *action, urls []string) error {
	if len(urls) == 0 || slices.Contains(urls, "") {
		return &InvalidInputError{Field: "peer URL", Reason: "it is empty"}
	}
	return act.setJSON(peerURLs{urls})
}
