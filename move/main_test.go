package move_test

import (
	"os"
	"testing"

	"github.com/coreos/etcd/client/internal/leakcheck"
)

func TestMain(m *testing.M) { os.Exit(leakcheck.Run(m)) }
