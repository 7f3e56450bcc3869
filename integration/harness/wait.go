package harness

import (
	"context"
	"fmt"
	"time"
)

// pollInterval is the pause between two tries of [Until].
const pollInterval = 20 * time.Millisecond

// Until calls try again and again until it returns nil. When ctx ends first,
// the error holds both ctx's and try's last one.
func Until(ctx context.Context, try func(context.Context) error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
