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

	// ClientURLs are where, as it announces, clients reach it; none until it
	// has started.
	ClientURLs []string `json:"clientURLs"`
}

// MembersAPI reads and changes the membership of the cluster. NewMembersAPI
// returns one. It is safe for concurrent use.
//
// The error of each call is one of a [*ReplyError] with status, message and
// endpoint, when etcd refuses, or with a 2xx status when etcd carried the call out
// and the rest of its reply was lost; an [*InvalidInputError], before anything is
// sent; a [*ClusterError], when no endpoint gave a usable answer; and ctx.Err().
//
// After an attempt whose outcome is not known (the reply was lost, or has status 500
// as that of a member that removes itself), a call is tried at the next endpoint if
// it may be sent twice, and otherwise ends with an error that is [ErrOutcomeUnknown]:
//
//	List, Leader   sent again: they change nothing
//	Remove         sent again: member IDs are never used twice, and that the member is gone is the state that was asked for
//	Update         sent again: the same URLs a second time are accepted, and change nothing
//	Add            not sent again: the second time the URL is taken, by the member that the first added or by another
//
// With Config.StrictWrites only List and Leader are.
//
// Source: etcd v2 members API documentation.
type MembersAPI interface {
	// List returns all members.
	List(ctx context.Context) ([]Member, error)

	// Add adds a member that will listen at peerURL, and returns it. The member
	// is to be started then; until it has, it counts towards the quorum without
	// being there.
	Add(ctx context.Context, peerURL string) (*Member, error)

	// Remove takes a member out of the cluster. It is no error if the member
	// was removed before.
	Remove(ctx context.Context, mID string) error

	// Update replaces the peer URLs of a member.
	Update(ctx context.Context, mID string, peerURLs []string) error

	// Leader returns the member that leads the cluster.
	Leader(ctx context.Context) (*Member, error)
}

// NewMembersAPI returns a MembersAPI that sends its calls by c.
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
	act := &action{spec: requestSpec{method: http.MethodPut, path: path}, class: classIdempotent}
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
	act := &action{spec: requestSpec{method: http.MethodDelete, path: path}, class: classIdempotent}
	_, err = call(ctx, m.client, act, decodeRemoved)
	return err
}

func setPeerURLs(act *action, urls []string) error {
	if len(urls) == 0 || slices.Contains(urls, "") {
		return &InvalidInputError{Field: "peer URL", Reason: "it is empty"}
	}
	return act.setJSON(peerURLs{urls})
}
