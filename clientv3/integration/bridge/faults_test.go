package bridge

import "testing"

// Whatever becomes of the members, the bridge keeps what it promises: nothing is done
// twice that must not be, nothing is half done, and watches tell all.
func TestBridgeUnderFaults(t *testing.T) {
	onSites(t, 3, func(st site) {
		l := startLoad(st)
		st.suffer()
		l.conclude()
	})
}
