package leakcheck

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

func TestGoroutineThatStaysIsFound(t *testing.T) {
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go stay(begun, end, ended)
	<-begun
	left := leakedGoroutines(time.Millisecond)
	close(end)
	<-ended
	if !strings.Contains(left, "leakcheck.stay(") {
		t.Errorf("found %q", left)
	}
}

func stay(begun, end, ended chan struct{}) {
	close(begun)
	<-end
	close(ended)
}
