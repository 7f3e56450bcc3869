package programs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/etcd/client/integration/harness"
)

// TestCryptProgram runs the programs of the two crypt libraries that viper had
// before its present one. The older imports the client by its first path.
func TestCryptProgram(t *testing.T) {
	t.Parallel()
	value := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(value, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		module module
		pkg    string
	}{
		{viperModule, "github.com/bketelsen/crypt/bin/crypt"},
		{cryptModule, "github.com/xordataexchange/crypt/bin/crypt"},
	} {
		program := tt.module.build(t, tt.pkg, "build")
		for _, s := range harness.Servers(t) {
			t.Run(tt.pkg+"/"+s.String(), func(t *testing.T) {
				t.Parallel()
				c := harness.Start(t, s, harness.Options{})
				storeAndRead(t, value, func(command string, args ...string) outcome {
					t.Helper()
					return run(t, nil, program, append([]string{command, "-plaintext", "-endpoint", c.Endpoints()[0]}, args...)...)
				})
			})
		}
	}
}

// storeAndRead runs the commands that crypt has, on the file that says hello.
func storeAndRead(t *testing.T, file string, crypt func(command string, args ...string) outcome) {
	t.Helper()
	for _, tt := range []struct {
		got, want outcome
	}{
		{crypt("set", "/c/a", file), outcome{}},
		{crypt("get", "/c/a"), outcome{stdout: "hello\n"}},
		{crypt("list", "/c"), outcome{stdout: "/c/a: hello"}},
		{crypt("list", "/c/a"), outcome{stderr: "key is not a directory\n", code: 1}},
	} {
		if tt.got != tt.want {
			t.Errorf("got %+v, want %+v", tt.got, tt.want)
		}
	}
	if o := crypt("get", "/c/missing"); o.code != 1 || !strings.HasPrefix(o.stderr, "100: Key not found (/c/missing) [") {
		t.Errorf("get of a key that isn't there: %+v", o)
	}
}

// TestCryptOwnTests runs the tests that the crypt libraries have. Their etcd
// backends are linked with them; what they ask is a fake.
func TestCryptOwnTests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		module module
		pkg    string
	}{
		{viperModule, "github.com/sagikazarmark/crypt/config"},
		{viperModule, "github.com/bketelsen/crypt/config"},
		{cryptModule, "github.com/xordataexchange/crypt/config"},
	} {
		t.Run(tt.pkg, func(t *testing.T) {
			t.Parallel()
			program := tt.module.build(t, tt.pkg, "test", "-c")
			wantPassed(t, mustRun(t, nil, program, "-test.v"), "Test_Get_BasePath", "Test_Watch_BasePath")
		})
	}
}
