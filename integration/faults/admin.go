package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

const (
	membersPath = "/v2/members"
	usersPath   = "/v2/auth/users/"
)

// A memberChanger adds a member with its odd calls, and removes it with the even
// ones. There is one caller.
type memberChanger struct {
	stage   *stage
	members client.MembersAPI
	added   outcome
	found   string // the ID of the member to be removed; empty when there is none
	adds    int
	lost    int
}

func newMemberChanger(_ Load, s *stage, c client.Client) job {
	return &memberChanger{stage: s, members: client.NewMembersAPI(c)}
}

// peerURL is where the member of two calls would be, were it there.
func peerURL(n int) string { return fmt.Sprintf("http://127.0.0.1:%d", 1+(n-1)/2) }

// prepare looks for the member that was added. What was acknowledged is there
// sooner or later, for a member's list may be a little behind.
func (m *memberChanger) prepare(ctx context.Context, n int) error {
	if n%2 == 1 {
		return nil
	}
	m.found = ""
	err := m.stage.eventually(ctx, func(ctx context.Context) error {
		list, err := client.NewMembersAPI(m.stage.hand).List(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(o client.Member) bool { return slices.Contains(o.PeerURLs, peerURL(n)) })
		if i >= 0 {
			m.found = list[i].ID
			return nil
		}
		if m.added == acknowledged {
			return errors.New("the member is not there yet")
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		m.lost++
		return nil
	}
	return err
}

func (m *memberChanger) call(ctx context.Context, _, n int) (wrote bool, err error) {
	if n%2 == 1 {
		_, err = m.members.Add(ctx, peerURL(n))
		m.added = outcomeOf(true, err)
		m.adds++
		return true, err
	}
	if m.found == "" {
		return false, nil
	}
	return true, m.members.Remove(ctx, m.found)
}

func (m *memberChanger) audit(ctx context.Context, l *ledger, f *Findings) error {
	f.Lost += m.lost
	f.countResent(m.stage.sent(harness.Match{Method: http.MethodDelete, Path: membersPath}))
	posts := m.stage.sent(harness.Match{Method: http.MethodPost, Path: membersPath})["members"]
	f.Twice += max(0, posts-m.adds)
	removed := l.calls / 2 * 2
	var list []client.Member
	err := m.stage.eventually(ctx, func(ctx context.Context) (err error) {
		list, err = client.NewMembersAPI(m.stage.hand).List(ctx)
		return err
	})
	outcomes := l.all()
	for _, member := range list {
		for n := 2; n <= removed; n += 2 {
			if outcomes[n] == acknowledged && slices.Contains(member.PeerURLs, peerURL(n)) {
				f.Lost++
			}
		}
	}
	return err
}

// A userAdder adds users, one with each call.
type userAdder struct {
	unprepared
	load  Load
	stage *stage
	users client.AuthUserAPI
}

func newUserAdder(l Load, s *stage, c client.Client) job {
	return &userAdder{load: l, stage: s, users: client.NewAuthUserAPI(c)}
}

func userName(n int) string { return "user" + strconv.Itoa(n) }

func (u *userAdder) call(ctx context.Context, _, n int) (wrote bool, err error) {
	return true, u.users.AddUser(ctx, userName(n), "secret")
}

func (u *userAdder) audit(ctx context.Context, l *ledger, f *Findings) error {
	var list []string
	err := u.stage.eventually(ctx, func(ctx context.Context) (err error) {
		list, err = client.NewAuthUserAPI(u.stage.hand).ListUsers(ctx)
		return err
	})
	for n, o := range l.all() {
		f.judge(o, slices.Contains(list, userName(n)))
	}
	f.countResent(u.stage.sent(u.load.Requests...))
	return err
}
