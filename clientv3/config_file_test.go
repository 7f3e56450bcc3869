package clientv3_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/clientv3"
)

// fromFile makes a client by a file with this text.
func fromFile(t *testing.T, text string) (*clientv3.Client, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "etcd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := clientv3.NewFromConfigFile(path)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func TestConfigFiles(t *testing.T) {
	a := newAuthority(t)
	plain := serve(t, answerEmpty)
	secure, _ := serveTLS(t, a, listen(t, "tcp", "127.0.0.1:0"))
	guarded := serve(t, (&gate{}).answer)
	f := a.write(t.TempDir(), "client")
	certificate := fmt.Sprintf("cert-file: %s\nkey-file: %s\n", f.cert, f.key)
	for name, text := range map[string]string{
		"plain":                 "endpoints: [" + plain.addr + "]\ninsecure-transport: true\n",
		"as JSON":               `{"endpoints": ["` + plain.addr + `"], "dial-timeout": 30000000000, "insecure-transport": true}`,
		"durations in words":    "endpoints: [" + plain.addr + "]\ndial-timeout: 30s\nauto-sync-interval: 1h\ninsecure-transport: true\n",
		"http is plain anyway":  "endpoints: ['http://" + plain.addr + "']\n",
		"TLS":                   "endpoints: [" + secure.addr + "]\n" + certificate + "ca-file: " + f.ca + "\n",
		"TLS, newer name":       "endpoints: ['https://" + secure.addr + "']\n" + certificate + "trusted-ca-file: " + f.ca + "\n",
		"TLS without verifying": "endpoints: [" + secure.addr + "]\n" + certificate + "insecure-skip-tls-verify: true\n",
		"password":              "endpoints: ['http://" + guarded.addr + "']\nusername: root\npassword: secret\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := fromFile(t, text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = c.Put(soon(t), "k", "v"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestConfigFileFields makes out by what a client does what its file said.
func TestConfigFileFields(t *testing.T) {
	m := serve(t, answerError(status.Error(codes.Unavailable, "down")))
	c, err := fromFile(t, "endpoints: ['http://"+m.addr+"']\nmax-unary-retries: 2\nbackoff-wait-between: 1ms\n"+
		"backoff-jitter-fraction: 0.5\ntoken: mine\ndial-keep-alive-time: 20s\ndial-keep-alive-timeout: 9s\npermit-without-stream: true\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Get(soon(t), "k"); status.Code(err) != codes.Unavailable {
		t.Errorf("got error %v", err)
	}
	if got := m.got(); len(got) != 3 || got[0].token != "mine" {
		t.Errorf("sent %v", got)
	}
	if got := c.Endpoints(); !slices.Equal(got, []string{"http://" + m.addr}) {
		t.Errorf("endpoints are %v", got)
	}
}

func TestWrongConfigFiles(t *testing.T) {
	f := newAuthority(t).write(t.TempDir(), "client")
	const at = "endpoints: [h:1]\n"
	for says, text := range map[string]string{
		"no available endpoints":   "",
		"line 1":                   "endpoints: [",
		"field endpoint not found": "endpoint: h:1",
		`invalid duration "soon"`:  at + "dial-timeout: soon",
		"cannot unmarshal":         at + "insecure-transport: perhaps",
		"insecure-transport goes without what is for TLS":  at + "insecure-transport: true\nca-file: x",
		"insecure-transport goes without what is for TLS ": at + "insecure-transport: true\ninsecure-skip-tls-verify: true",
		"cert-file and key-file go together":               at + "cert-file: " + f.cert,
		"cert-file and key-file go together ":              at + "key-file: " + f.key,
		"cert-file " + f.key:                               at + "cert-file: " + f.key + "\nkey-file: " + f.key,
		"ca-file and trusted-ca-file are the same":         at + "ca-file: x\ntrusted-ca-file: y",
		"ca-file: open ":                                   at + "ca-file: /does/not/exist",
		"ca-file " + f.key + " has no certificate":         at + "ca-file: " + f.key,
		"Username/Password and Token":                      at + "username: u\npassword: secret\ntoken: t",
	} {
		_, err := fromFile(t, text)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(says)) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", says, err)
		}
	}
	if _, err := clientv3.NewFromConfigFile("/does/not/exist"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestCertificateFilesAreReadAgain renews a certificate under a client, which
// shows the new one with its next connection.
func TestCertificateFilesAreReadAgain(t *testing.T) {
	a := newAuthority(t)
	sockets := &socketListener{}
	m, names := serveTLS(t, a, sockets.listen(t))
	dir := t.TempDir()
	f := a.write(dir, "before")
	c, err := fromFile(t, fmt.Sprintf("endpoints: [%s]\ncert-file: %s\nkey-file: %s\nca-file: %s\n", m.addr, f.cert, f.key, f.ca))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Put(soon(t), "k", "v"); err != nil {
		t.Fatal(err)
	}
	a.write(dir, "after")
	sockets.breakAll()
	await(t, "the new certificate is shown", func() bool {
		if _, err = c.Get(soon(t), "k"); errors.Is(err, rpctypes.ErrNoLeader) || errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		return slices.Contains(names(), "after")
	})
	if got := names()[0]; got != "before" {
		t.Errorf("the first certificate was of %q", got)
	}
}
