package client

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAlarmClockIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock alarmClock
		start := time.Now()
		alarms := make([]alarm, 500)
		due := make([]time.Duration, len(alarms))
		rang := make([]time.Duration, len(alarms))
		var mu sync.Mutex
		for i := range alarms {
			due[i] = time.Duration(rand.IntN(3000)) * time.Millisecond
			alarms[i].wake = func() {
				mu.Lock()
				defer mu.Unlock()
				rang[i] = time.Since(start) + 1 // told from one that did not ring
			}
			clock.set(&alarms[i], start.Add(due[i]))
		}
		<-time.After(time.Second)
		synctest.Wait()
		for i := range alarms {
			if i%2 == 0 && clock.unset(&alarms[i]) != (due[i] > time.Second) {
				t.Errorf("alarm %d, due after %s: unset after a second says otherwise", i, due[i])
			}
		}
		<-time.After(3 * time.Second)
		synctest.Wait()
		for i := range alarms {
			want := due[i] + 1
			if i%2 == 0 && due[i] > time.Second {
				want = 0
			}
			if rang[i] != want {
				t.Errorf("alarm %d, due after %s: rang after %s", i, due[i], rang[i])
			}
		}
		if clock.first != nil || !clock.at.IsZero() {
			t.Error("a clock without alarms is still set")
		}
	})
}

// An alarm that is set when another has rung, later than all before, and one that
// is earlier than all.
func TestAlarmClockIsSetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock alarmClock
		start := time.Now()
		rang := make(chan time.Duration, 3)
		a := &alarm{wake: func() { rang <- time.Since(start) }}
		b := &alarm{wake: func() { rang <- time.Since(start) }}
		clock.set(a, start.Add(2*time.Second))
		clock.set(b, start.Add(time.Second))
		if first, second := <-rang, <-rang; first != time.Second || second != 2*time.Second {
			t.Errorf("rang after %s and %s", first, second)
		}
		clock.set(a, time.Now().Add(time.Second))
		if third := <-rang; third != 3*time.Second {
			t.Errorf("rang after %s", third)
		}
	})
}

func TestSilenceOfAStream(t *testing.T) {
	for _, tt := range []struct {
		events int
		within time.Duration
		want   time.Duration
	}{
		{100, 0, 20 * time.Millisecond},
		{1000, time.Second / 10, 20 * time.Millisecond},
		{1000, 5 * time.Second, 50 * time.Millisecond},
		{100, time.Minute, 250 * time.Millisecond},
	} {
		if got := silenceOf(tt.events, tt.within); got != tt.want {
			t.Errorf("%d events within %s: %s, want %s", tt.events, tt.within, got, tt.want)
		}
	}
}
