package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// However many ask, there is one look a second, and one at a time.
func TestReloader_looksOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		r := &reloader{interval: time.Second, load: func() error { looks++; return nil }}
		for range 10 * 100 {
			r.refresh(t.Context().Done())
			<-time.After(10 * time.Millisecond)
		}
		if looks != 10 {
			t.Errorf("%d looks in 10 s", looks)
		}
	})
}

// A look that hangs is waited for by the one that began it, for a moment, and by
// nobody else.
func TestReloader_hangingFileSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var told []error
		failed := errors.New("stale handle")
		r := &reloader{load: func() error { <-hang; return failed }, errors: reloadErrors{report: func(err error) { told = append(told, err) }}}
		wait := func(ctx context.Context, want time.Duration) {
			t.Helper()
			start := time.Now()
			if r.refresh(ctx.Done()); time.Since(start) != want {
				t.Errorf("waited for %v, want %v", time.Since(start), want)
			}
		}
		wait(t.Context(), reloadWait)
		for range 100 {
			wait(t.Context(), 0)
		}
		close(hang)
		synctest.Wait()
		wait(t.Context(), 0)
		if len(told) != 1 || !errors.Is(told[0], failed) {
			t.Errorf("reported %v", told)
		}
		hang = make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		wait(ctx, time.Millisecond)
		close(hang)
	})
}
