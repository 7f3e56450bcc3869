package dump

import (
	"context"
	"sync"
)

// pool does a number of things at a time, until one fails.
type pool struct {
	parent context.Context // of the call which owns the pool
	ctx    context.Context // ends when something has failed, too
	cancel context.CancelCauseFunc
	jobs   chan func(context.Context) error
	all    sync.WaitGroup
}

// startPool starts n goroutines. Its owner must call end.
func startPool(ctx context.Context, n int) *pool {
	p := &pool{parent: ctx, jobs: make(chan func(context.Context) error)}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	for range n {
		p.all.Go(func() {
			for do := range p.jobs {
				if p.ctx.Err() != nil {
					continue
				}
				if err := do(p.ctx); err != nil {
					p.cancel(err)
				}
			}
		})
	}
	return p
}

// do has something done as soon as there is room.
func (p *pool) do(job func(context.Context) error) { p.jobs <- job }

// err gives the first error; nil: none yet.
func (p *pool) err() error {
	if err := p.parent.Err(); err != nil {
		return err
	}
	return context.Cause(p.ctx)
}

// end waits until all is done, and gives the first error.
func (p *pool) end() error {
	close(p.jobs)
	p.all.Wait()
	err := p.err()
	p.cancel(nil)
	return err
}
