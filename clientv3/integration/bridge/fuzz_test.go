package bridge

import (
	"math/rand/v2"
	"testing"

	"github.com/coreos/etcd/client/integration/harness"
)

// fuzzedSteps bounds a script of the fuzzer.
const fuzzedSteps = 40

// FuzzBridge makes scripts of bytes, and plays them on etcd 3.7 and a v2 server, which
// each process of the fuzzer starts once. Run it with -fuzzminimizetime=1x: coverage
// differs from one play to the next, and a script that fails is cut down by the test.
func FuzzBridge(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // To be the same each time.
	for range 8 {
		seed := make([]byte, 600)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	etcd37, err := harness.BuildEtcd37(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	st := newStage(f, etcd37)
	f.Fuzz(func(t *testing.T, data []byte) {
		own := *st
		own.TB, own.ctx = t, t.Context()
		own.mustAgree(scriptOf(data))
		st.plays = own.plays // Each play has a root of its own.
	})
}

// scriptOf makes a script that is as long as there are bytes.
func scriptOf(data []byte) script {
	left := choicesOf(data)
	w := writer{&left}
	s := script{}
	for range w.IntN(3) {
		s.Watches = append(s.Watches, w.watch(fuzzedSteps))
	}
	for len(left) > 0 && len(s.Steps) < fuzzedSteps {
		s.Steps = append(s.Steps, w.step())
	}
	return s
}

// choicesOf are the choices that bytes stand for, one each; zero where none is left.
type choicesOf []byte

// IntN implements choices.
func (c *choicesOf) IntN(n int) int {
	if len(*c) == 0 {
		return 0
	}
	first := (*c)[0]
	*c = (*c)[1:]
	return int(first) % n
}
