package harness

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is the pause between two tries of [Until].
const pollInterval = 20 * time.Millisecond

// Until calls try again and again until it returns nil. When ctx ends first,
// the error holds both ctx's and try's last one, or the one before where the last
// try was merely cut short.
func Until(ctx context.Context, try func(context.Context) error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var before error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if before != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = before
		}
		before = err
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
