package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/concurrency"
)

// bank has accounts that together always have as much.
type bank struct {
	s         story
	name      string
	isolation concurrency.Isolation
}

const (
	bankAccounts = 4
	bankBalance  = 1000
)

func newBank(s story, name string, isolation concurrency.Isolation) *bank {
	s.Helper()
	b := &bank{s: s, name: name, isolation: isolation}
	cli := s.client()
	for i := range bankAccounts {
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, b.account(i), strconv.Itoa(bankBalance)))
	}
	return b
}

func (b *bank) account(i int) string { return fmt.Sprintf("%s/%d", b.name, i) }

func (b *bank) balance(stm concurrency.STM, i int) int {
	n, err := strconv.Atoi(stm.Get(b.account(i)))
	if err != nil {
		b.s.Error(err)
	}
	return n
}

func (b *bank) transfer(ctx context.Context, cli *clientv3.Client) error {
	from, to, amount := rand.IntN(bankAccounts), rand.IntN(bankAccounts), rand.IntN(50)
	_, err := concurrency.NewSTM(cli, func(stm concurrency.STM) error {
		stm.Put(b.account(from), strconv.Itoa(b.balance(stm, from)-amount))
		stm.Put(b.account(to), strconv.Itoa(b.balance(stm, to)+amount))
		return nil
	}, concurrency.WithAbortContext(ctx), concurrency.WithIsolation(b.isolation))
	return err
}

func (b *bank) check(cli *clientv3.Client) {
	b.s.Helper()
	_, err := concurrency.NewSTM(cli, func(stm concurrency.STM) error {
		total := 0
		for i := range bankAccounts {
			total += b.balance(stm, i)
		}
		want(b.s, b.name+" has", total, bankAccounts*bankBalance)
		return nil
	}, concurrency.WithAbortContext(b.s.ctx))
	check(b.s, err)
}

// turns notes who may do what only one may.
type turns struct {
	mu     sync.Mutex // guards the fields below
	holder *concurrency.Session
	fence  int64
	count  int
}

func (u *turns) begin(s story, holder *concurrency.Session, fence int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.holder != nil && u.holder.Ctx().Err() == nil {
		s.Errorf("two have it: %x and %x", u.holder.Lease(), holder.Lease())
	}
	if fence <= u.fence {
		s.Errorf("fence %d after %d", fence, u.fence)
	}
	u.holder, u.fence = holder, fence
	u.count++
}

func (u *turns) end(holder *concurrency.Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.holder == holder {
		u.holder = nil
	}
}

func (u *turns) turnsTaken() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.count
}

// contender takes a lock, or leads, again and again, with a session of its own that
// it makes anew when it has ended.
type contender struct {
	s    story
	cli  *clientv3.Client
	own  *concurrency.Session
	turn *turns
	take func(ctx context.Context, own *concurrency.Session) (fence int64, leave func(context.Context) error, err error)
}

// round takes and leaves it, unless the session ends meanwhile.
func (c *contender) round(ctx context.Context) error {
	err := c.takeOnce(ctx)
	if !errors.Is(err, concurrency.ErrSessionExpired) {
		return err
	}
	select { // A lock is lost with its session only.
	case <-c.own.Done():
		return nil
	case <-time.After(leaseTTL * time.Second):
		return err
	}
}

func (c *contender) takeOnce(ctx context.Context) error {
	if c.own == nil || c.own.Ctx().Err() != nil {
		own, err := concurrency.NewSession(c.cli, concurrency.WithTTL(leaseTTL))
		if err != nil {
			return err
		}
		c.own = own
	}
	fence, leave, err := c.take(ctx, c.own)
	if err != nil {
		return err
	}
	c.turn.begin(c.s, c.own, fence)
	pause(rand.N(20 * time.Millisecond))
	c.turn.end(c.own)
	return leave(ctx)
}

func takeLock(ctx context.Context, own *concurrency.Session) (int64, func(context.Context) error, error) {
	m := concurrency.NewMutex(own, "lock")
	if err := m.Lock(ctx); err != nil {
		return 0, nil, err
	}
	return m.Header().Revision, m.Unlock, nil
}

func lead(ctx context.Context, own *concurrency.Session) (int64, func(context.Context) error, error) {
	e := concurrency.NewElection(own, "vote")
	if err := e.Campaign(ctx, "here"); err != nil {
		return 0, nil, err
	}
	return e.Rev(), e.Resign, nil
}

// TestConcurrencyUnderFaults breaks members under locks, elections and transactions,
// whose callers often give up. In the end everybody can have everything.
func TestConcurrencyUnderFaults(t *testing.T) {
	onEach(t, harness.Options{Members: 3, RawProxies: true}, func(s story) {
		stop := make(chan struct{})
		var working sync.WaitGroup
		var contenders []*contender
		locks, votes := new(turns), new(turns)
		for range 3 {
			for turn, take := range map[*turns]func(context.Context, *concurrency.Session) (int64, func(context.Context) error, error){
				locks: takeLock, votes: lead,
			} {
				c := &contender{s: s, cli: s.client(), turn: turn, take: take}
				contenders = append(contenders, c)
				working.Go(func() { repeat(s, stop, c.round) })
			}
		}
		b := newBank(s, "bank", concurrency.SerializableSnapshot)
		teller := s.client()
		working.Go(func() {
			repeat(s, stop, func(ctx context.Context) error {
				err := b.transfer(ctx, teller)
				if errors.Is(err, concurrency.ErrOutcomeUnknown) {
					return nil
				}
				return err
			})
		})
		s.suffer()
		harness.WaitFor(s, storyTimeout, func() error {
			if locks.turnsTaken() < 10 || votes.turnsTaken() < 10 {
				return fmt.Errorf("only %d locks and %d leaders", locks.turnsTaken(), votes.turnsTaken())
			}
			return nil
		})
		close(stop)
		working.Wait()
		b.check(teller)
		for _, c := range contenders {
			harness.WaitFor(s, storyTimeout, func() error { return c.takeOnce(s.ctx) })
		}
		for _, c := range contenders {
			check(s, c.own.Close())
		}
		s.Logf("%d locks, %d leaders", locks.turnsTaken(), votes.turnsTaken())
	})
}
