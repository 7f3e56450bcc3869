package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

const printedSecret = "s3cr3t"

// prints returns v as fmt prints it with all verbs that call its methods (%p and %w
// don't), alone and as a part of other
// values, and as slog logs it.
func prints(v any) map[string]string {
	texts := map[string]string{}
	holder := struct {
		Value any
		Many  []any
	}{v, []any{v}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%T"} {
		texts[verb] = fmt.Sprintf(verb, v)
		texts[verb+" inside"] = fmt.Sprintf(verb, holder)
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("text", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("json", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("group", slog.Group("g", "v", v))
	texts["slog"] = b.String()
	return texts
}

// wantNoSecret looks for the secret as it is, in hexadecimal, and as numbers.
func wantNoSecret(t *testing.T, v any) {
	t.Helper()
	numbers := strings.Trim(fmt.Sprintf("%d", []byte(printedSecret)), "[]")
	hexadecimal := fmt.Sprintf("%x", printedSecret)
	for how, text := range prints(v) {
		for _, secret := range []string{printedSecret, hexadecimal, numbers, strings.ReplaceAll(numbers, " ", ", ")} {
			if strings.Contains(strings.ToLower(text), secret) {
				t.Errorf("%s prints the secret: %.300s", how, text)
			}
		}
	}
}

func TestConfig_printsNoSecret(t *testing.T) {
	cfg := client.Config{
		Endpoints: []string{
			"http://root:s3cr3t@a:2379", "root:s3cr3t@b", "http://root:s3cr3t", "http://root:a/s3cr3t@c", "http://:s3cr3t@d", "http://root:a@s3cr3t@e",
			"https://f/?token=s3cr3t", "http://root:%zzs3cr3t@g", "http://root:1?s3cr3t@h", "unix://root:s3cr3t@/run/etcd", "http://root:s3cr3t%40i:2379", "http://j:2379#s3cr3t",
		},
		Username: "joe", Password: printedSecret,
		Transport:               &http.Transport{ProxyConnectHeader: http.Header{"Proxy-Authorization": {printedSecret}}},
		HeaderTimeoutPerRequest: time.Second,
	}
	wantNoSecret(t, cfg)
	wantNoSecret(t, &cfg)
	wantNoSecret(t, client.Config{Username: "root:" + printedSecret})
	for _, text := range []string{cfg.String(), cfg.GoString(), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg)} {
		for _, shown := range []string{"joe", "a:2379", "https://f", "*http.Transport", "HeaderTimeoutPerRequest"} {
			if !strings.Contains(text, shown) {
				t.Errorf("%s lacks %s", text, shown)
			}
		}
	}
	if text := (client.Config{}).String(); strings.Contains(text, "…") {
		t.Errorf("an empty one is %s", text)
	}
	if cfg.Endpoints[0] != "http://root:s3cr3t@a:2379" {
		t.Error("the caller's endpoints have changed")
	}
}

func TestTransportOptions_printNoSecret(t *testing.T) {
	ca := newAuthority(t, "ca")
	certPEM, keyPEM := ca.issue(t, "joe")
	o := client.TransportOptions{CAPEM: ca.pem, CertPEM: certPEM, KeyPEM: keyPEM, ServerName: "etcd.example", Proxy: parsed(t, "http://joe:s3cr3t@proxy:80/?s3cr3t")}
	transport := newTransport(t, o)
	o.KeyPEM = []byte(printedSecret)
	wantNoSecret(t, o)
	wantNoSecret(t, &o)
	if text := o.String(); !strings.Contains(text, "etcd.example") || !strings.Contains(text, "proxy:80") {
		t.Errorf("got %s", text)
	}
	key := strings.Trim(fmt.Sprintf("%d", keyPEM[:20]), "[]")
	for how, text := range prints(transport) {
		if strings.Contains(text, key) || strings.Contains(text, "PRIVATE") {
			t.Errorf("%s prints the key: %.300s", how, text)
		}
	}
	c := newClientOf(t, client.Config{Endpoints: []string{"http://root:s3cr3t@a"}, Username: "root", Password: printedSecret, Transport: transport})
	wantNoSecret(t, c)
}

// Whatever is refused, the error has no part that may be a secret.
func TestErrors_haveNoSecret(t *testing.T) {
	newClientOfOne := func(endpoint string) func() error {
		return func() error {
			_, err := client.New(client.Config{Endpoints: []string{endpoint}})
			return err
		}
	}
	options := func(proxy *url.URL) func() error {
		return func() error {
			_, err := client.NewTransport(client.TransportOptions{Proxy: proxy})
			return err
		}
	}
	redirected := func(location string) func() error {
		return func() error {
			f := newFakeTransport(t, func(*http.Request) fakeAnswer {
				return fakeAnswer{status: 307, header: "Location: " + location}
			})
			_, err := client.NewKeysAPI(newClient(t, f, "https://a")).Create(t.Context(), "/a", "v")
			return err
		}
	}
	socket := newTransport(t, client.TransportOptions{})
	for why, provoke := range map[string]func() error{
		"a user with a colon": func() error {
			_, err := client.New(client.Config{Endpoints: []string{"http://a"}, Username: "root:s3cr3t"})
			return err
		},
		"a host that is a password":  newClientOfOne("http://root:s3cr3t"),
		"a query":                    newClientOfOne("http://a/?token=s3cr3t"),
		"another scheme":             newClientOfOne("ftp://root:s3cr3t@a"),
		"a path":                     newClientOfOne("http://root:s3cr3t@a/.."),
		"a proxy without a scheme":   options(&url.URL{Scheme: "root", Opaque: "s3cr3t@proxy:80"}),
		"a proxy of another scheme":  options(parsed(t, "ftp://root:s3cr3t@proxy:80/s3cr3t?s3cr3t#s3cr3t")),
		"a proxy without a host":     options(parsed(t, "http://root:s3cr3t@/")),
		"a proxy without anything":   options(&url.URL{}),
		"a redirect of a write":      redirected("https://root:s3cr3t@b/?s3cr3t"),
		"a redirect to no URL":       redirected("https://root:s3cr3t@b/%zz"),
		"a redirect to a scheme":     redirected("ftp://root:s3cr3t@b/"),
		"a redirect to a socket":     redirected("unix://root:s3cr3t@b/"),
		"a URL that names no socket": func() error { _, err := fetch(t.Context(), socket, "unix://root:s3cr3t@$/?s3cr3t"); return err },
		"a domain that is a URL":     func() error { _, err := client.SRV{Domain: "https://root:s3cr3t@a"}.Endpoints(t.Context()); return err },
		"a discovery that is a URL":  func() error { _, err := client.NewSRVDiscover().Discover("https://root:s3cr3t@a"); return err },
		"a service that is a URL":    func() error { _, err := client.NewSRVDiscover().Discover("a", "root:s3cr3t@a"); return err },
		"services that are URLs":     func() error { _, err := client.NewSRVDiscover().Discover("a", "b", "root:s3cr3t@a"); return err },
	} {
		err := provoke()
		if err == nil {
			t.Errorf("%s: not refused", why)
			continue
		}
		wantNoSecret(t, err)
		document, _ := json.Marshal(err)
		var invalid *client.InvalidInputError
		if errors.As(err, &invalid) {
			wantNoSecret(t, *invalid)
		}
		if strings.Contains(string(document), printedSecret) {
			t.Errorf("%s: the error is %s in JSON", why, document)
		}
	}
}

func FuzzConfigPrintsNoSecret(f *testing.F) {
	for _, prefix := range []string{"http://root:", "root:", "https://", "http://a/?", "http://:", "http://root:a@"} {
		for _, suffix := range []string{"@a:2379", "", "@", "/@a", "?@a", "%40a", "#@b"} {
			f.Add(prefix, suffix)
		}
	}
	f.Fuzz(func(t *testing.T, user, host string) {
		if strings.Contains(user+host, printedSecret) || strings.ContainsAny(user, "@/?#[") || !strings.Contains(host, "@") || strings.Contains(host, "://") {
			return
		}
		endpoint := "http://" + user + ":" + printedSecret + host
		cfg := client.Config{Endpoints: []string{endpoint}}
		if text := fmt.Sprintf("%+v", cfg); strings.Contains(text, printedSecret) {
			t.Errorf("%q is printed as %s", endpoint, text)
		}
		if _, err := client.New(cfg); err != nil && strings.Contains(err.Error(), printedSecret) {
			t.Errorf("%q: %v", endpoint, err)
		}
	})
}
