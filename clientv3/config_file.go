package clientv3

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.yaml.in/yaml/v3"
)

// fileConfig is a configuration file. Its names are those that etcd's clients
// have always had.
type fileConfig struct {
	Endpoints             []string     `yaml:"endpoints"`
	AutoSyncInterval      fileDuration `yaml:"auto-sync-interval"`
	DialTimeout           fileDuration `yaml:"dial-timeout"`
	DialKeepAliveTime     fileDuration `yaml:"dial-keep-alive-time"`
	DialKeepAliveTimeout  fileDuration `yaml:"dial-keep-alive-timeout"`
	PermitWithoutStream   bool         `yaml:"permit-without-stream"`
	Username              string       `yaml:"username"`
	Password              string       `yaml:"password"`
	Token                 string       `yaml:"token"`
	RejectOldCluster      bool         `yaml:"reject-old-cluster"`
	MaxUnaryRetries       uint         `yaml:"max-unary-retries"`
	BackoffWaitBetween    fileDuration `yaml:"backoff-wait-between"`
	BackoffJitterFraction float64      `yaml:"backoff-jitter-fraction"`

	InsecureTransport     bool   `yaml:"insecure-transport"`
	InsecureSkipTLSVerify bool   `yaml:"insecure-skip-tls-verify"`
	CertFile              string `yaml:"cert-file"`
	KeyFile               string `yaml:"key-file"`
	CAFile                string `yaml:"ca-file"`
	TrustedCAFile         string `yaml:"trusted-ca-file"`
}

// NewFromConfigFile makes a client as the YAML file at path says. Its keys are
// those in the json tags of [Config], with durations as "5s" or in nanoseconds,
// and these, which make up Config.TLS:
//
//   - insecure-transport: true means none, and the rest of them must be missing
//   - insecure-skip-tls-verify: true accepts any certificate of a server
//   - cert-file and key-file: the client's certificate, in PEM. The files are read
//     anew for each connection, so that renewed certificates come into use.
//   - ca-file, or trusted-ca-file: who signs the servers' certificates, in PEM. If
//     missing, whoever the system trusts.
//
// A key that the file has and that does not exist is an error.
func NewFromConfigFile(path string) (*Client, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("clientv3: configuration file: %w", err)
	}
	cfg, err := parseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("clientv3: configuration file %s: %w", path, err)
	}
	return New(cfg)
}

func parseConfig(text []byte) (Config, error) {
	var file fileConfig
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, err
	}
	cfg := Config{
		Endpoints:             file.Endpoints,
		AutoSyncInterval:      time.Duration(file.AutoSyncInterval),
		DialTimeout:           time.Duration(file.DialTimeout),
		DialKeepAliveTime:     time.Duration(file.DialKeepAliveTime),
		DialKeepAliveTimeout:  time.Duration(file.DialKeepAliveTimeout),
		PermitWithoutStream:   file.PermitWithoutStream,
		Username:              file.Username,
		Password:              file.Password,
		Token:                 file.Token,
		RejectOldCluster:      file.RejectOldCluster,
		MaxUnaryRetries:       file.MaxUnaryRetries,
		BackoffWaitBetween:    time.Duration(file.BackoffWaitBetween),
		BackoffJitterFraction: file.BackoffJitterFraction,
	}
	var err error
	cfg.TLS, err = file.tls()
	return cfg, err
}

// tls gives what secures the connections, nil for nothing.
func (f *fileConfig) tls() (*tls.Config, error) {
	if f.InsecureTransport {
		if f.InsecureSkipTLSVerify || f.CertFile+f.KeyFile+f.CAFile+f.TrustedCAFile != "" {
			return nil, errors.New("insecure-transport goes without what is for TLS")
		}
		return nil, nil
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: f.InsecureSkipTLSVerify, //nolint:gosec // the user says so
	}
	if err := f.setClientCertificate(config); err != nil {
		return nil, err
	}
	return config, f.setRoots(config)
}

func (f *fileConfig) setClientCertificate(config *tls.Config) error {
	if f.CertFile == "" && f.KeyFile == "" {
		return nil
	}
	if f.CertFile == "" || f.KeyFile == "" {
		return errors.New("cert-file and key-file go together")
	}
	load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		certificate, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		return &certificate, err
	}
	if _, err := load(nil); err != nil {
		return fmt.Errorf("cert-file %s, key-file %s: %w", f.CertFile, f.KeyFile, err)
	}
	config.GetClientCertificate = load
	return nil
}

func (f *fileConfig) setRoots(config *tls.Config) error {
	name := f.CAFile
	switch {
	case f.TrustedCAFile != "" && name != "":
		return errors.New("ca-file and trusted-ca-file are the same thing")
	case f.TrustedCAFile != "":
		name = f.TrustedCAFile
	case name == "":
		return nil
	}
	pem, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("ca-file: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("ca-file %s has no certificate", name)
	}
	return nil
}

// fileDuration is a duration as text, or as the number that JSON has for one.
type fileDuration time.Duration

// UnmarshalYAML implements [yaml.Unmarshaler].
func (d *fileDuration) UnmarshalYAML(node *yaml.Node) error {
	var nanoseconds int64
	if node.Decode(&nanoseconds) == nil {
		*d = fileDuration(nanoseconds)
		return nil
	}
	duration, err := time.ParseDuration(node.Value)
	*d = fileDuration(duration)
	return err
}
