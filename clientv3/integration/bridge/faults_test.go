package bridge

import "testing"

// Whatever becomes of the members, the bridge keeps what it promises: nothing is done
// twice that must not be, nothing is half done, and watches tell all.
func TestBridgeUnderFaults(t *testing.T) {
	onTrios(t, func(tr trio) {
		l := startLoad(tr)
		tr.suffer()
		l.conclude()
	})
}
