package harness

import (
	"context"
	"errors"
	"testing"
)

func TestUntil_lastTryIsCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reason := errors.New("not there yet")
	tries := 0
	err := Until(ctx, func(ctx context.Context) error {
		if tries++; tries == 1 {
			return reason
		}
		cancel()
		return ctx.Err()
	})
	if !errors.Is(err, reason) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
