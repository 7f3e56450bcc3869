package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A CA issues certificates that live as long as a test.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// A KeyPair is a certificate and its key, in PEM as servers and clients read them.
type KeyPair struct {
	CertPEM, KeyPEM []byte
}

// NewCA makes a certificate authority with a fresh key.
func NewCA() (*CA, error) {
	template := certTemplate("harness CA")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage |= x509.KeyUsageCertSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("harness: CA: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("harness: CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("harness: CA: %w", err)
	}
	return &CA{cert: cert, key: key}, nil
}

// Issue makes a certificate for servers and clients alike. It holds for
// 127.0.0.1, localhost and the given DNS names.
func (ca *CA) Issue(name string, dnsNames ...string) (KeyPair, error) {
	template := certTemplate(name)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	template.DNSNames = append([]string{"localhost"}, dnsNames...)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return KeyPair{}, fmt.Errorf("harness: certificate %s: %w", name, err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return KeyPair{}, fmt.Errorf("harness: certificate %s: %w", name, err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return KeyPair{}, fmt.Errorf("harness: certificate %s: %w", name, err)
	}
	return KeyPair{CertPEM: encodePEM("CERTIFICATE", cert), KeyPEM: encodePEM("EC PRIVATE KEY", keyDER)}, nil
}

// Pool returns a pool that trusts ca alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// PEM returns ca's own certificate.
func (ca *CA) PEM() []byte { return encodePEM("CERTIFICATE", ca.cert.Raw) }

func certTemplate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// A ServerTLS is how servers prove themselves to clients.
type ServerTLS struct {
	// CA signed Cert, and must have signed what clients present.
	CA *CA
	// Cert is the servers' certificate.
	Cert KeyPair
	// ClientAuth makes the servers refuse clients without a certificate of CA.
	ClientAuth bool
}

// clientConfig is how the harness itself talks to the servers.
func (s *ServerTLS) clientConfig() *tls.Config {
	config := &tls.Config{RootCAs: s.CA.Pool(), MinVersion: tls.VersionTLS12}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		cert, err := tls.X509KeyPair(s.Cert.CertPEM, s.Cert.KeyPEM)
		return &cert, err
	}
	return config
}

// tlsFiles are the files that servers read.
type tlsFiles struct {
	cert, key, ca string
	clientAuth    bool
}

func (s *ServerTLS) write(dir string) (tlsFiles, error) {
	files := tlsFiles{
		cert:       filepath.Join(dir, "server.crt"),
		key:        filepath.Join(dir, "server.key"),
		ca:         filepath.Join(dir, "ca.crt"),
		clientAuth: s.ClientAuth,
	}
	for name, content := range map[string][]byte{files.cert: s.Cert.CertPEM, files.key: s.Cert.KeyPEM, files.ca: s.CA.PEM()} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return tlsFiles{}, fmt.Errorf("harness: %w", err)
		}
	}
	return files, nil
}

func (f tlsFiles) flags() []string {
	flags := []string{"--cert-file", f.cert, "--key-file", f.key}
	if f.clientAuth {
		flags = append(flags, "--client-cert-auth", "--trusted-ca-file", f.ca)
	}
	return flags
}
