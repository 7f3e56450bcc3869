package client

import (
	"sync"
	"time"
)

// alarmClock wakes many by one timer, which is set when it must and otherwise left
// alone: setting a timer may wake a thread, which costs more than a small request
// does. It is for alarms that are seldom let go off. The zero value is ready.
type alarmClock struct {
	mu    sync.Mutex // guards the fields below, and all alarms
	first *alarm     // of those that are set, in no order
	timer *time.Timer
	at    time.Time // when the timer goes off; zero: it is not set
}

// alarm is one of a clock's.
type alarm struct {
	wake       func() // may take its time
	due        time.Time
	set        bool
	prev, next *alarm
}

// set makes the clock call a.wake in a goroutine of its own when it is due. It
// must not be set already.
func (c *alarmClock) set(a *alarm, due time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.due, a.set = due, true
	a.prev, a.next = nil, c.first
	if a.next != nil {
		a.next.prev = a
	}
	c.first = a
	c.ring(due)
}

// unset takes an alarm back, and reports whether it was set: if not, it has gone
// off.
func (c *alarmClock) unset(a *alarm) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !a.set {
		return false
	}
	c.drop(a)
	return true
}

// drop takes a out of the list. The caller holds mu.
func (c *alarmClock) drop(a *alarm) {
	a.set = false
	if a.prev != nil {
		a.prev.next = a.next
	} else {
		c.first = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
	a.prev, a.next = nil, nil
}

// ring sees to it that the timer goes off by then. The caller holds mu.
func (c *alarmClock) ring(by time.Time) {
	if !c.at.IsZero() && !by.Before(c.at) {
		return
	}
	c.at = by
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(by), c.goOff)
		return
	}
	c.timer.Reset(time.Until(by))
}

// goOff lets the alarms go off that are due. When none is left, the timer is set
// no more.
func (c *alarmClock) goOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var earliest time.Time
	for a := c.first; a != nil; {
		next := a.next
		switch {
		case !a.due.After(now):
			c.drop(a)
			go a.wake() // ends by itself; others' alarms don't wait for it
		case earliest.IsZero() || a.due.Before(earliest):
			earliest = a.due
		}
		a = next
	}
	c.at = time.Time{}
	if !earliest.IsZero() {
		c.ring(earliest)
	}
}
