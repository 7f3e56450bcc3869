package benchmarks

import (
	"testing"

	"github.com/coreos/etcd/client/integration/harness"
)

func TestMain(m *testing.M) {
	RunRole()
	harness.Main(m, 1) // what is measured wants the machine for itself
}
