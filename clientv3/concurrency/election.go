package concurrency

import (
	"context"
	"errors"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	v3 "github.com/coreos/etcd/clientv3"
)

// Election makes one of all who campaign with its prefix the leader, who may
// proclaim a value. Make it with [NewElection]. It is safe for concurrent use.
type Election struct {
	line line
	turn chan struct{} // has one in it while somebody campaigns or proclaims

	mu     sync.Mutex // guards the fields below
	held   *leadership
	header *pb.ResponseHeader // of the last proposal
}

// leadership is an entry that is the first of its line.
type leadership struct {
	*entry

	changed int64 // the revision that last changed the key, 0 if unknown; of who has the turn
}

// NewElection makes an Election of the prefix pfx, for keys below pfx and a slash.
// It sends nothing. Only one of a session and a prefix is the leader at a time.
func NewElection(s *Session, pfx string) *Election {
	return &Election{line: newLine(s, pfx), turn: make(chan struct{}, 1)}
}

// ResumeElection makes an Election that is the leader already, by a key of the lease
// of s, see [WithLease]. leaderKey and leaderRev are what [Election.Key] and
// [Election.Rev] were. It sends nothing: whether that is still so, Proclaim tells.
func ResumeElection(s *Session, pfx string, leaderKey string, leaderRev int64) *Election {
	e := NewElection(s, pfx)
	e.line.key = leaderKey
	own := &entry{line: e.line, place: s.resumePlace(leaderKey), created: leaderRev}
	e.held = &leadership{entry: own}
	return e
}

// resumePlace has the turn of a place, unless somebody else already has that of the
// key: then it is a place by itself.
func (s *Session) resumePlace(key string) *place {
	p := s.claimPlace(key, true)
	if p != nil {
		select {
		case p.turn <- struct{}{}:
			return p
		default:
			p.count(-1, 0)
		}
	}
	p = &place{session: s, key: key, turn: make(chan struct{}, 1), claims: 1}
	p.turn <- struct{}{}
	return p
}

// Campaign waits until it is the leader, with val as its value, and stays it until
// Resign, or until the session ends: watch its Done. Who came first is the leader
// first. If this Election is the leader already, Campaign is [Election.Proclaim].
// To withdraw from a campaign, end its context.
//
// The errors are those of [Mutex.Lock].
func (e *Election) Campaign(ctx context.Context, val string) error {
	release, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer release()
	if held := e.leads(); held != nil {
		err = e.proclaim(ctx, held, val)
		if !errors.Is(err, ErrElectionNotLeader) {
			return err
		}
	}
	own, err := e.line.acquire(ctx, "campaign", val)
	if err != nil {
		return err
	}
	held := &leadership{entry: own, changed: own.created}
	e.note(held, own.header)
	if own.kv == nil {
		return nil
	}
	held.changed = own.kv.ModRevision
	if string(own.kv.Value) == val {
		return nil
	}
	// The key was there, as that of an earlier session with this lease.
	err = e.proclaim(ctx, held, val)
	if err != nil && e.take(held) {
		held.place.sweep() //nolint:contextcheck // what is given up is undone also after ctx
	}
	return err
}

// enter takes the turn.
func (e *Election) enter(ctx context.Context) (release func(), err error) {
	select {
	case e.turn <- struct{}{}:
		return func() { <-e.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.line.session.Done():
		return nil, ErrSessionExpired
	}
}

func (e *Election) note(held *leadership, header *pb.ResponseHeader) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held, e.header = held, header
}

// leads gives the leadership, nil if there is none.
func (e *Election) leads() *leadership {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.held
}

// Proclaim makes val the leader's value without a new election. When it returns,
// no value of an earlier Proclaim can come back, also of one that was given up.
//
// It is [ErrElectionNotLeader] if this Election is not the leader, or somebody has
// deleted its key; [ErrSessionExpired] if the session has ended; ctx.Err() if ctx
// ends first: val may then be proclaimed, now or until the next Proclaim has
// returned. It goes on trying while the cluster can't be reached.
func (e *Election) Proclaim(ctx context.Context, val string) error {
	if e.leads() == nil {
		return ErrElectionNotLeader // also while a Campaign has the turn
	}
	release, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer release()
	held := e.leads()
	if held == nil {
		return ErrElectionNotLeader
	}
	return e.proclaim(ctx, held, val)
}

// proclaim is for who has the turn.
func (e *Election) proclaim(ctx context.Context, held *leadership, val string) error {
	bound, release := e.line.session.bind(ctx)
	defer release()
	header, err := held.swap(bound, val)
	if errors.Is(err, ErrElectionNotLeader) {
		if e.take(held) {
			held.place.exit()
		}
		return ErrElectionNotLeader
	}
	if err != nil {
		return e.line.session.explain(ctx, "proclaim", held.key, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held == held {
		e.header = header
	}
	return nil
}

// swap gives the key a value on condition that it is as it was last known: of all
// requests to do so that are under way, lost or late, one is carried out.
func (l *leadership) swap(ctx context.Context, val string) (*pb.ResponseHeader, error) {
	for sent := false; ; {
		response, err := untilAnswered(ctx, func() (*v3.TxnResponse, error) {
			response, err := l.session.client.Txn(ctx).
				If(v3.Compare(v3.ModRevision(l.key), "=", l.changed), v3.Compare(v3.CreateRevision(l.key), "=", l.created)).
				Then(v3.OpPut(l.key, val, v3.WithLease(l.session.lease))).
				Else(v3.OpGet(l.key)).
				Commit()
			sent = sent || err != nil && isUndecided(err)
			return response, err
		})
		if err != nil {
			return nil, err
		}
		if response.Succeeded {
			l.changed = response.Header.Revision
			return response.Header, nil
		}
		now := first(response.Responses[0].GetResponseRange().Kvs)
		if now == nil || now.CreateRevision != l.created {
			return nil, ErrElectionNotLeader
		}
		l.changed = now.ModRevision
		if sent && string(now.Value) == val {
			return response.Header, nil // its answer was lost
		}
	}
}

func first(kvs []*mvccpb.KeyValue) *mvccpb.KeyValue {
	if len(kvs) == 0 {
		return nil
	}
	return kvs[0]
}

// Resign gives the leadership up, and returns when it has. Without it, it does
// nothing. It does not end a Campaign that is under way. Its errors are those of
// [Mutex.Unlock], without ErrLockReleased.
func (e *Election) Resign(ctx context.Context) error {
	held := e.leads()
	if held == nil || !e.take(held) {
		return nil
	}
	return held.release(ctx, "resign")
}

// take ends a leadership here, once.
func (e *Election) take(held *leadership) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != held {
		return false
	}
	e.held = nil
	return true
}

// Key returns the leader's key, empty if this Election is not the leader.
func (e *Election) Key() string {
	if held := e.leads(); held != nil {
		return held.key
	}
	return ""
}

// Rev returns the revision that created [Election.Key], which is greater for each
// later leader. It is 0 if this Election is not the leader.
func (e *Election) Rev() int64 {
	if held := e.leads(); held != nil {
		return held.created
	}
	return 0
}

// Header returns the header of the last response to a Campaign or Proclaim that
// succeeded, nil if there was none.
func (e *Election) Header() *pb.ResponseHeader {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.header
}
