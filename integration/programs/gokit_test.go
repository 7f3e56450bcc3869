package programs

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client/integration/harness"
)

// gokitOutput is what the program in gokit/ prints.
const gokitOutput = `found [http://one]
found [http://one http://two]
lasting [http://one http://two]
found [http://two]
found []
`

// TestGoKit runs services that come and go, on a cluster one member of which is
// out of reach while another breaks off what it is asked.
func TestGoKit(t *testing.T) {
	t.Parallel()
	program := gokitModule.build(t, ".", "build")
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := harness.Start(t, s, harness.Options{Members: 3, Proxied: true})
			if !historic() { // It passes on that a member refused what go-kit sends once.
				breakOff := harness.Fault{Kind: harness.ResetBeforeHeaders, Match: harness.Match{Method: http.MethodGet}, Count: 3}
				c.Member(0).Proxy().Refuse()
				c.Member(1).Proxy().Inject(breakOff)
			}
			if diff := cmp.Diff(gokitOutput, mustRun(t, nil, program, c.Endpoints()...)); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGoKitOwnTests runs the tests that go-kit has for its sd/etcd, those that
// want a server included.
func TestGoKitOwnTests(t *testing.T) {
	t.Parallel()
	program := gokitModule.build(t, "github.com/go-kit/kit/sd/etcd", "test", "-c", "-tags=flaky_integration")
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := harness.Start(t, s, harness.Options{})
			out := run(t, []string{"ETCD_ADDR=" + c.Endpoints()[0]}, program, "-test.v")
			// TestIntegration, which go-kit itself calls flaky, deregisters without
			// waiting until its watch from now has begun.
			for again := 0; again < 5 && out.code != 0 && strings.Contains(out.stdout, "Endpointer didn't see Deregister"); again++ {
				out = run(t, []string{"ETCD_ADDR=" + c.Endpoints()[0]}, program, "-test.v")
			}
			wantPassed(t, out.stdout, "TestIntegration", "TestNewClient", "TestGetEntries", "TestWatchPrefix",
				"TestInstancer", "TestRegister", "TestDeregister")
		})
	}
}

// wantPassed checks that a verbose test run has passed these tests and skipped
// none.
func wantPassed(t *testing.T, out string, tests ...string) {
	t.Helper()
	for _, name := range tests {
		if !strings.Contains(out, "--- PASS: "+name+" ") {
			t.Errorf("%s didn't pass", name)
		}
	}
	if strings.Contains(out, "--- SKIP") || t.Failed() {
		t.Errorf("the test run:\n%s", out)
	}
}
