package clientv3

import (
	"container/heap"
	"time"
)

// leaseAgenda says which lease needs something done next. One timer serves them
// all. It needs lessor.mu held.
type leaseAgenda struct {
	tick   func() // called when a lease wakes
	leases leaseHeap
	timer  *time.Timer
	rings  time.Time // zero if the timer is not set
}

// put sees to it that tick is called when lease wakes.
func (a *leaseAgenda) put(lease *keptLease, wake time.Time) {
	lease.wake = wake
	if lease.place < 0 {
		heap.Push(&a.leases, lease)
	} else {
		heap.Fix(&a.leases, lease.place)
	}
	if first := a.leases[0].wake; a.rings.IsZero() || first.Before(a.rings) {
		a.set(first)
	}
}

func (a *leaseAgenda) set(at time.Time) {
	a.rings = at
	if a.timer == nil {
		a.timer = time.AfterFunc(time.Until(at), a.tick)
		return
	}
	a.timer.Reset(time.Until(at))
}

func (a *leaseAgenda) remove(lease *keptLease) {
	if lease.place >= 0 {
		heap.Remove(&a.leases, lease.place)
	}
	if len(a.leases) == 0 && a.timer != nil {
		a.timer.Stop()
		a.rings = time.Time{}
	}
}

// next gives a lease whose time has come, or nil.
func (a *leaseAgenda) next(now time.Time) *keptLease {
	if len(a.leases) == 0 || now.Before(a.leases[0].wake) {
		return nil
	}
	return a.leases[0]
}

// leaseHeap has the lease that wakes first in front.
type leaseHeap []*keptLease

func (h leaseHeap) Len() int           { return len(h) }
func (h leaseHeap) Less(i, j int) bool { return h[i].wake.Before(h[j].wake) }

func (h leaseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *leaseHeap) Push(x any) {
	lease := x.(*keptLease)
	lease.place = len(*h)
	*h = append(*h, lease)
}

func (h *leaseHeap) Pop() any {
	last := len(*h) - 1
	lease := (*h)[last]
	lease.place = -1
	(*h)[last] = nil
	*h = (*h)[:last]
	return lease
}
