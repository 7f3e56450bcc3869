package concurrency

import "context"

// place is the key that a session has below a prefix. As there is one only, those
// in the program who want it for themselves take turns.
type place struct {
	session *Session
	key     string
	turn    chan struct{} // has one in it while the key is in use
	guarded bool          // requests of unknown outcome are looked for; of who has the turn

	claims int // who uses the key or waits for it; guarded by Session.mu, as the next
	sweeps int // who deletes it, or is there to do so
}

// claimPlace gives the place of a key, which is forgotten when it has neither claims
// nor sweeps. With alone it gives nil if there are other claims.
func (s *Session) claimPlace(key string, alone bool) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[key]
	if p == nil {
		p = &place{session: s, key: key, turn: make(chan struct{}, 1)}
		s.places[key] = p
	}
	if alone && p.claims > 0 {
		return nil
	}
	p.claims++
	return p
}

// count changes how many claims and sweeps there are.
func (p *place) count(claims, sweeps int) {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	p.claims += claims
	p.sweeps += sweeps
	if p.claims+p.sweeps == 0 {
		delete(p.session.places, p.key)
	}
}

// enter waits for the turn. Who has it must exit or sweep.
func (s *Session) enter(ctx context.Context, key string) (*place, error) {
	return s.claimPlace(key, false).enter(ctx)
}

// tryEnter is enter that fails where somebody uses or wants the key.
func (s *Session) tryEnter(ctx context.Context, key string) (*place, error) {
	p := s.claimPlace(key, true)
	if p == nil {
		return nil, ErrLocked
	}
	return p.enter(ctx)
}

func (p *place) enter(ctx context.Context) (*place, error) {
	if err := p.take(ctx); err != nil {
		p.count(-1, 0)
		return nil, err
	}
	return p, nil
}

func (p *place) exit() {
	p.free()
	p.count(-1, 0)
}

func (p *place) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *place) free() { <-p.turn }
