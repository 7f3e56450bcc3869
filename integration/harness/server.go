package harness

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// etcdPackage is the main package of the etcd server, built in etcd35/ and its
// neighbours: versions share no build list.
const etcdPackage = "go.etcd.io/etcd/server/v3"

// A Server is an etcd server program.
type Server struct {
	// Version is what the program says of itself, such as "3.5.35".
	Version string
	// Path is the program's file.
	Path string
}

// String names the server, as in the names of tests.
func (s Server) String() string { return "etcd " + s.Version }

// Minor is the first two numbers of the version, such as "3.5".
func (s Server) Minor() string {
	if minor := regexp.MustCompile(`^\d+\.\d+`).FindString(s.Version); minor != "" {
		return minor
	}
	return s.Version
}

// knowsV2 reports whether the program can serve the v2 API, and so has a flag
// for it.
func (s Server) knowsV2() bool { return s.Minor() == "3.4" || s.Minor() == "3.5" }

// ErrNoInstalledServer says that PATH holds no etcd 3.4.
var ErrNoInstalledServer = errors.New("harness: no etcd 3.4 in PATH (on Debian: apt-get install etcd-server)")

// BuildEtcd35 returns etcd 3.5, built from the module in etcd35/.
//
// The program is kept in the user's cache directory under a name that changes
// with the module's requirements and the Go version, so only the first call on
// a machine builds. Several processes may call it at once.
func BuildEtcd35(ctx context.Context) (Server, error) { return buildEtcd(ctx, "3.5") }

// BuildEtcd36 is BuildEtcd35 for etcd 3.6, which does not serve v2.
func BuildEtcd36(ctx context.Context) (Server, error) { return buildEtcd(ctx, "3.6") }

// BuildEtcd37 is BuildEtcd35 for etcd 3.7, which does not serve v2.
func BuildEtcd37(ctx context.Context) (Server, error) { return buildEtcd(ctx, "3.7") }

// buildEtcd builds a minor version, such as "3.5".
func buildEtcd(ctx context.Context, minor string) (Server, error) {
	module, err := wrapperDir("etcd" + strings.ReplaceAll(minor, ".", ""))
	if err != nil {
		return Server{}, err
	}
	file, err := cachedProgram(module, "etcd-"+minor)
	if err != nil {
		return Server{}, err
	}
	if _, err := os.Stat(file); err != nil {
		if err := build(ctx, module, file); err != nil {
			return Server{}, err
		}
	}
	return serverAt(ctx, file)
}

// InstalledEtcd34 returns the etcd 3.4 in PATH, or [ErrNoInstalledServer].
func InstalledEtcd34(ctx context.Context) (Server, error) {
	file, err := exec.LookPath("etcd")
	if err != nil {
		return Server{}, ErrNoInstalledServer
	}
	s, err := serverAt(ctx, file)
	if err != nil {
		return Server{}, err
	}
	if ok, err := filepath.Match("3.4.*", s.Version); err != nil || !ok {
		return Server{}, fmt.Errorf("%w: %s is %s", ErrNoInstalledServer, file, s.Version)
	}
	return s, nil
}

// wrapperDir finds a wrapper module beside this package's source.
func wrapperDir(name string) (string, error) {
	_, source, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("harness: the source of this package can't be found")
	}
	return filepath.Join(filepath.Dir(filepath.Dir(source)), name), nil
}

// cachedProgram names the file that holds the build of module's requirements.
func cachedProgram(module, program string) (string, error) {
	digest := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", fmt.Errorf("harness: wrapper module of the server: %w", err)
		}
		digest.Write(content)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir() // No home directory: any place that lasts will do.
	}
	name := fmt.Sprintf("%s-%s-%s-%s-%.8x", program, runtime.Version(), runtime.GOOS, runtime.GOARCH, digest.Sum(nil))
	return filepath.Join(cache, "etcd-client-integration", name), nil
}

// build makes file, which appears only when it is complete.
func build(ctx context.Context, module, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("harness: %w", err)
	}
	partial := fmt.Sprintf("%s.%d", file, os.Getpid())
	cmd := exec.CommandContext(ctx, "go", "build", "-o", partial, etcdPackage)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off") // The caller's flags (-race, -cover) are not the server's.
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("harness: go build %s in %s: %w\n%s", etcdPackage, module, err, out)
	}
	if err := os.Rename(partial, file); err != nil {
		return fmt.Errorf("harness: %w", err)
	}
	return nil
}

// serverAt asks the program for its version.
func serverAt(ctx context.Context, file string) (Server, error) {
	out, err := exec.CommandContext(ctx, file, "--version").Output()
	if err != nil {
		return Server{}, fmt.Errorf("harness: %s --version: %w", file, err)
	}
	m := regexp.MustCompile(`etcd Version: (\S+)`).FindSubmatch(out)
	if m == nil {
		return Server{}, fmt.Errorf("harness: %s --version says no version: %q", file, out)
	}
	return Server{Version: string(m[1]), Path: file}, nil
}
