package keysapi_test

import (
	"errors"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// Modify knows its own write in the history of the bridge, which calls it "set": it does
// not write again when the answers of a swap are lost.
func TestModifyOfLostAnswers(t *testing.T) {
	for _, unique := range []bool{false, true} {
		for _, begin := range []string{"", "old"} {
			play(t, func(s *stage) {
				s.begin(call{begin: begin})
				s.befall(loseAnswer)
				resp, err := client.Modify(s.Context(), s.kapi, key, func(old *client.Node) (string, error) {
					if old == nil {
						return "1", nil
					}
					return old.Value + "1", nil
				}, &client.ModifyOptions{Unique: unique, TTL: time.Hour})
				switch {
				case !unique && !errors.Is(err, client.ErrOutcomeUnknown):
					s.Errorf("from %q: got %v, %v, want an unknown outcome", begin, resp, err)
				case unique && (err != nil || resp.Node.Value != begin+"1"):
					s.Errorf("from %q: got %v, %v, though the value is nobody else's", begin, resp, err)
				}
				s.wantEnd(call{name: "Modify", end: begin + "1", ttl: true})
			})
		}
	}
}
