package client

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// An unhealthy endpoint is probed after a pause that grows from the first to
	// the last.
	firstUnhealthyPause = time.Second
	lastUnhealthyPause  = time.Minute

	// staleIndexPause is how long the raft index in an endpoint's replies may not
	// move before the endpoint is asked whether it has a quorum, and how long
	// until it is asked again.
	staleIndexPause = 10 * time.Second

	// unknownDial stands for the time of a dial and a TLS handshake where no
	// connection to the endpoint has been made yet.
	unknownDial = 100 * time.Millisecond
	// leastProbeTimeout is what a probe needs besides: a round trip, and a machine
	// that is busy.
	leastProbeTimeout = 250 * time.Millisecond
	// handshakeFactor allows for a probe that takes longer than the connection
	// that was measured.
	handshakeFactor = 3
)

// endpointHealth is what is known of one endpoint, from all calls, watches and
// probes together. It is shared by all views of the pool and safe for concurrent
// use.
//
// An unhealthy endpoint is asked after all others and never left out. The first
// answer makes it healthy again.
type endpointHealth struct {
	marked atomic.Bool // the endpoint is unhealthy; saves most callers the lock

	mu sync.Mutex // guards the fields below

	lastAnswer   time.Time     // when it last answered anything
	answeredSent time.Time     // when the latest request that etcd has answered there was made
	dial         time.Duration // how long a new connection takes; 0: not measured
	probe        *probe        // the latest; nil: there was none, or nobody waited for it
	asked        time.Time     // when the first probe was made that nothing has answered

	pause   time.Duration
	recheck time.Time // when to probe it next; zero while it is healthy
	notEtcd int       // the status by which something else than etcd has answered; 0: it has not

	raftIndex      string
	raftIndexSince time.Time // when that was first seen, or the endpoint last asked
}

// onAnswer notes that something came from the endpoint. made is when the request
// was made, where the answer is etcd's own; zero: it is not known to be.
func (h *endpointHealth) onAnswer(now, made time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.After(h.lastAnswer) {
		h.lastAnswer, h.asked = now, time.Time{}
	}
	if made.After(h.answeredSent) {
		h.answeredSent = made
	}
}

// silence returns for how long nothing has come from the endpoint.
func (h *endpointHealth) silence(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return now.Sub(h.lastAnswer)
}

// hasAnsweredSince reports whether etcd has answered a request there that was made
// after t.
func (h *endpointHealth) hasAnsweredSince(t time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answeredSent.After(t)
}

// onDial notes how long it took to get a new connection, the handshake included.
func (h *endpointHealth) onDial(took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dial = max(took, (7*h.dial+took)/8, 1)
}

// probeTimeout returns how long a probe needs at least: it makes a connection of
// its own.
func (h *endpointHealth) probeTimeout() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	dial := h.dial
	if dial == 0 {
		dial = unknownDial
	}
	return leastProbeTimeout + handshakeFactor*dial
}

// isUnanswered reports whether nothing has come from the endpoint since a probe
// was made, for as long as a probe needs. The probe may have been given up since.
func (h *endpointHealth) isUnanswered(now time.Time) bool {
	needs := h.probeTimeout()
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.asked.IsZero() && !h.lastAnswer.After(h.asked) && now.Sub(h.asked) >= needs
}

// markUnhealthy puts the endpoint to the end of the order. Each failure after a
// pause has passed doubles the next; those within one pause count once, however
// many requests failed together. It reports whether the endpoint was healthy.
func (h *endpointHealth) markUnhealthy(now time.Time, notEtcd int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notEtcd = notEtcd
	if now.Before(h.recheck) {
		return false
	}
	h.pause = min(max(2*h.pause, firstUnhealthyPause), lastUnhealthyPause)
	h.recheck = now.Add(h.pause)
	return !h.marked.Swap(true)
}

// markHealthy reports whether the endpoint was unhealthy.
func (h *endpointHealth) markHealthy() bool {
	if !h.marked.Load() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pause, h.recheck, h.notEtcd = 0, time.Time{}, 0
	return h.marked.Swap(false)
}

// isUnhealthy reports whether the endpoint is to be asked after the others. Where
// unhealthy endpoints are not probed, it ends with the pause.
func (h *endpointHealth) isUnhealthy(probed bool) bool {
	if !h.marked.Load() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.recheck.IsZero() && (probed || time.Now().Before(h.recheck))
}

// isRecheckDue reports, to one caller for each pause, that it is time to probe the
// unhealthy endpoint.
func (h *endpointHealth) isRecheckDue() bool {
	if !h.marked.Load() {
		return false
	}
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.recheck.IsZero() || now.Before(h.recheck) {
		return false
	}
	h.pause = min(2*h.pause, lastUnhealthyPause)
	h.recheck = now.Add(h.pause)
	return true
}

// isClearedBy reports whether what a probe has found makes the endpoint healthy. Where
// something else than etcd has answered, a page does not; and where that has refused
// a call, not even a member does that is well: it may not serve the v2 API.
func (h *endpointHealth) isClearedBy(found probeResult) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch found {
	case probeGood:
		return !isClientError(h.notEtcd)
	case probeNotEtcd:
		return h.notEtcd == 0
	default:
		return false
	}
}

// isIndexStale notes the raft index of a reply, and reports, to one caller for
// each pause, that it has not moved for long. A member that is cut off from its
// cluster goes on to answer reads, in time and out of date; nothing else shows it.
// Nor does the index of an idle cluster move, so this is only a reason to ask.
func (h *endpointHealth) isIndexStale(index string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if index != h.raftIndex {
		h.raftIndex, h.raftIndexSince = index, now
		return false
	}
	if now.Sub(h.raftIndexSince) < staleIndexPause {
		return false
	}
	h.raftIndexSince = now
	return true
}
