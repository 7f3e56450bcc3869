package main

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	_ "github.com/coreos/etcd/client" // What the patches are for: go test runs this again when it changes.
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestReverts_apply checks that each patch still applies to the files of this
// checkout. `make prove-faults` shows that a row fails with it.
func TestReverts_apply(t *testing.T) {
	t.Chdir("../..")
	all, err := new(proof).reverts()
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if _, err := git(t.Context(), top, "apply", "--check", r.path); err != nil {
			t.Errorf("%s: bring the patch up to date with what it reverts: %v", r.name, err)
		}
	}
}
