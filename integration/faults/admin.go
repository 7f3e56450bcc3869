package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/coreos/etcd/client"
)

const (
	membersPath = "/v2/members"
	usersPath   = "/v2/auth/users/"
)

// A memberAdder adds a member with each call, and takes it away again before the
// next. There is one caller.
type memberAdder struct {
	load    Load
	env     *env
	members client.MembersAPI
	lost    int
}

func newMemberAdder(l Load, s *env, c client.Client) job {
	return &memberAdder{load: l, env: s, members: client.NewMembersAPI(c)}
}

// addedURL is where the member of a call would be, if it were started.
func addedURL(n int) string { return fmt.Sprintf("http://127.0.0.1:%d", n) }

// removedURL is that of a member that is there to be removed.
func removedURL(n int) string { return fmt.Sprintf("http://127.0.0.2:%d", n) }

// memberWith returns the ID of the member with the peer URL, or "".
func (s *env) memberWith(ctx context.Context, peerURL string) (id string, err error) {
	list, err := client.NewMembersAPI(s.fixture).List(ctx)
	for _, m := range list {
		if slices.Contains(m.PeerURLs, peerURL) {
			id = m.ID
		}
	}
	return id, err
}

// prepare removes the member of the call before. What was acknowledged is there
// sooner or later, for a member's list may be a little behind.
func (m *memberAdder) prepare(ctx context.Context, n int) error {
	before := m.env.ledgers[m.load.Name].all()[n-1]
	if n == 1 || !before.succeeded() && !before.mayBeDone() {
		return nil
	}
	err := m.env.eventually(ctx, func(ctx context.Context) error {
		id, err := m.env.memberWith(ctx, addedURL(n-1))
		switch {
		case err != nil:
			return err
		case id != "":
			return client.NewMembersAPI(m.env.fixture).Remove(ctx, id)
		case before == acknowledged:
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

func (m *memberAdder) call(ctx context.Context, _, n int) (wrote bool, err error) {
	_, err = m.members.Add(ctx, addedURL(n))
	return true, err
}

func (m *memberAdder) audit(_ context.Context, l *ledger, f *Findings) error {
	f.Lost += m.lost
	f.Twice += max(0, m.env.sent(m.load.Requests...)["members"]-l.calls)
	return nil
}

// A memberRemover removes a member with each call. IDs are never used again, so
// that a removal may be repeated.
type memberRemover struct {
	env     *env
	members client.MembersAPI
	ids     map[int]string // by the number of the call
}

func newMemberRemover(_ Load, s *env, c client.Client) job {
	return &memberRemover{env: s, members: client.NewMembersAPI(c), ids: map[int]string{}}
}

// prepare adds the member. The one before is gone by then, or the unstarted ones
// would take the quorum away.
func (m *memberRemover) prepare(ctx context.Context, n int) error {
	if before := m.ids[n-1]; before != "" {
		err := m.env.eventually(ctx, func(ctx context.Context) error {
			return client.NewMembersAPI(m.env.fixture).Remove(ctx, before)
		})
		if err != nil {
			return err
		}
	}
	return m.env.eventually(ctx, func(ctx context.Context) error {
		id, err := m.env.memberWith(ctx, removedURL(n))
		if err != nil {
			return err
		}
		if m.ids[n] = id; id != "" {
			return nil
		}
		_, err = client.NewMembersAPI(m.env.fixture).Add(ctx, removedURL(n))
		return errors.Join(err, errors.New("the member is not there yet"))
	})
}

func (m *memberRemover) call(ctx context.Context, _, n int) (wrote bool, err error) {
	return true, m.members.Remove(ctx, m.ids[n])
}

func (m *memberRemover) audit(ctx context.Context, l *ledger, f *Findings) error {
	for n, o := range l.all() {
		if o != acknowledged {
			continue
		}
		err := m.env.eventually(ctx, func(ctx context.Context) error {
			id, err := m.env.memberWith(ctx, removedURL(n))
			if err == nil && id != "" {
				f.Lost++
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// A userAdder adds users, one with each call.
type userAdder struct {
	unprepared
	load  Load
	env   *env
	users client.AuthUserAPI
}

func newUserAdder(l Load, s *env, c client.Client) job {
	return &userAdder{load: l, env: s, users: client.NewAuthUserAPI(c)}
}

func userName(n int) string { return "user" + strconv.Itoa(n) }

func (u *userAdder) call(ctx context.Context, _, n int) (wrote bool, err error) {
	return true, u.users.AddUser(ctx, userName(n), "secret")
}

func (u *userAdder) audit(ctx context.Context, l *ledger, f *Findings) error {
	var list []string
	err := u.env.eventually(ctx, func(ctx context.Context) (err error) {
		list, err = client.NewAuthUserAPI(u.env.fixture).ListUsers(ctx)
		return err
	})
	for n, o := range l.all() {
		f.judge(o, slices.Contains(list, userName(n)))
	}
	f.countResent(u.env.sent(u.load.Requests...))
	return err
}
