package faults

import (
	"context"
	"fmt"
	"strconv"

	"github.com/coreos/etcd/client"
)

// A swapper counts by compare-and-swap. Each caller has a counter of its own.
type swapper struct {
	unprepared
	keys     client.KeysAPI
	env      *env
	counters []counter // by caller
}

// A counter is what its caller knows of it.
type counter struct {
	value        int
	unsure       bool // read it before the next swap
	acknowledged int  // swaps
	unknown      int  // swaps
}

func newSwapper(l Load, s *env, c client.Client) job {
	return &swapper{env: s, keys: client.NewKeysAPI(c), counters: make([]counter, l.Callers)}
}

func counterKey(caller int) string { return fmt.Sprintf("/counters/%d", caller) }

func (w *swapper) call(ctx context.Context, caller, _ int) (wrote bool, err error) {
	key, c := counterKey(caller), &w.counters[caller]
	if c.unsure {
		return false, c.look(ctx, w.keys, key)
	}
	_, err = w.keys.Set(ctx, key, strconv.Itoa(c.value+1), &client.SetOptions{PrevValue: strconv.Itoa(c.value)})
	switch o := outcomeOf(true, err); {
	case o == acknowledged:
		c.value++
		c.acknowledged++
	case o.mayBeDone():
		c.unsure = true
		c.unknown++
	case client.IsTestFailed(err) && c.unknown > 0:
		c.unsure = true // A swap of unknown outcome has come late.
		return false, nil
	}
	return true, err
}

func (c *counter) look(ctx context.Context, keys client.KeysAPI, key string) error {
	resp, err := keys.Get(ctx, key, &client.GetOptions{Quorum: true})
	if err != nil {
		return err
	}
	c.unsure = false
	c.value, err = strconv.Atoi(resp.Node.Value)
	return err
}

// audit finds as many swaps as were acknowledged, and no more besides than there
// were of unknown outcome.
func (w *swapper) audit(ctx context.Context, _ *ledger, f *Findings) error {
	contents, err := w.env.contents(ctx, "/counters")
	if err != nil {
		return err
	}
	for caller, c := range w.counters {
		node := contents[counterKey(caller)]
		if node == nil {
			return fmt.Errorf("faults: %s is gone", counterKey(caller))
		}
		swapped, err := strconv.Atoi(node.Value)
		if err != nil {
			return err
		}
		f.Lost += max(0, c.acknowledged-swapped)
		f.Denied += max(0, swapped-c.acknowledged-c.unknown)
	}
	return nil
}
