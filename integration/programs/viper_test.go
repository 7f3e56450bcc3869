package programs

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client/integration/harness"
)

// viperOutput is what the program in viper/ prints.
const viperOutput = `before it is there: Remote Configurations Error: No Files Found
read: 8080 [a b]
read again: 9090
listed: /config/plain.json {"port": 9090}
watched: {"port": 7070}
decrypted: hush
`

func TestViper(t *testing.T) {
	t.Parallel()
	program := viperModule.build(t, ".", "build")
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := harness.Start(t, s, harness.Options{})
			if diff := cmp.Diff(viperOutput, mustRun(t, nil, program, c.Endpoints()[0])); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}
