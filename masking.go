package client

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// redacted stands in printed values for a password.
const redacted = "[redacted]"

// Format implements fmt.Formatter: no verb prints the password.
func (u User) Format(f fmt.State, verb rune) {
	type user User // without methods
	if u.Password != "" {
		u.Password = redacted
	}
	formatPlain(f, verb, user(u), "client.User")
}

// LogValue implements slog.LogValuer: the password is not logged.
func (u User) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("user", u.User), slog.Any("roles", u.Roles)}
	if u.Password != "" {
		attrs = append(attrs, slog.String("password", redacted))
	}
	if len(u.Grant) > 0 {
		attrs = append(attrs, slog.Any("grant", u.Grant))
	}
	if len(u.Revoke) > 0 {
		attrs = append(attrs, slog.Any("revoke", u.Revoke))
	}
	return slog.GroupValue(attrs...)
}

// Format implements fmt.Formatter: no verb prints the user name, which may hold a
// password, nor the password.
func (l login) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "login("+redacted+")") //nolint:errcheck // nobody reads the error of a Formatter
}

// LogValue implements slog.LogValuer.
func (login) LogValue() slog.Value { return slog.StringValue(redacted) }

// formatPlain prints v, a struct of a type without methods, by the verb and the flags
// of f, and with the type name in Go syntax.
func formatPlain(f fmt.State, verb rune, v any, name string) {
	if verb == 'v' && f.Flag('#') {
		text := fmt.Sprintf("%#v", v)
		_, _ = io.WriteString(f, name+text[strings.IndexByte(text, '{'):]) //nolint:errcheck // nobody reads the error of a Formatter
		return
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), v) //nolint:errcheck // as above
}

// withoutSecret returns the error to which a reply was decoded without its message
// and body if something that is not etcd repeats secret in them.
func withoutSecret(r *reply, err error, secret string) error {
	re, ok := err.(*ReplyError) //nolint:errorlint // what decode returned, unwrapped
	if !ok || secret == "" || isEtcdError(r, err) {
		return err
	}
	inJSON, _ := json.Marshal(secret) //nolint:errcheck // a string always has a JSON form
	for _, form := range []string{secret, string(inJSON[1 : len(inJSON)-1])} {
		if strings.Contains(re.Message, form) {
			re.Message = redacted
		}
		if strings.Contains(re.Body, form) {
			re.Body = redacted
		}
	}
	return err
}

// How values that hold secrets are printed: by fmt with any verb, and by log/slog.

const masked = "…"

// String returns the configuration without passwords: Password is masked, and so is
// the user part of each of Endpoints, a Username with a colon, and whatever Transport
// would print of itself.
func (c Config) String() string { return fmt.Sprintf("%+v", c.masked()) }

// GoString returns what String does, in Go syntax.
func (c Config) GoString() string {
	return strings.Replace(fmt.Sprintf("%#v", c.masked()), "client.maskedConfig{", "client.Config{", 1)
}

// Format implements fmt.Formatter, so that no verb prints a password.
func (c Config) Format(f fmt.State, verb rune) { formatMasked(f, verb, c) }

// LogValue implements slog.LogValuer.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// maskedConfig is a Config that is printed as it is.
type maskedConfig Config

func (c Config) masked() maskedConfig {
	m := maskedConfig(c)
	if c.Endpoints != nil {
		m.Endpoints = make([]string, len(c.Endpoints))
	}
	for i, raw := range c.Endpoints {
		m.Endpoints[i] = withoutUserinfo(raw)
	}
	if m.Password != "" {
		m.Password = masked
	}
	if strings.Contains(m.Username, ":") {
		m.Username = masked
	}
	if m.Transport != nil {
		m.Transport = shownType(fmt.Sprintf("%T", c.Transport))
	}
	return m
}

// shownType is the type of a transport, in the place of the transport.
type shownType string

// RoundTrip implements http.RoundTripper, to stand in Transport of a Config.
func (t shownType) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNotMade }

// String returns the type.
func (t shownType) String() string { return string(t) }

// GoString returns the type.
func (t shownType) GoString() string { return string(t) }

// String returns the options without secrets: KeyPEM and the proxy's user are masked,
// certificates are left out.
func (o TransportOptions) String() string { return fmt.Sprintf("%+v", o.masked()) }

// GoString returns what String does, in Go syntax.
func (o TransportOptions) GoString() string {
	return strings.Replace(fmt.Sprintf("%#v", o.masked()), "client.maskedOptions{", "client.TransportOptions{", 1)
}

// Format implements fmt.Formatter, so that no verb prints a secret.
func (o TransportOptions) Format(f fmt.State, verb rune) { formatMasked(f, verb, o) }

// LogValue implements slog.LogValuer.
func (o TransportOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// maskedOptions is a TransportOptions that is printed as it is.
type maskedOptions TransportOptions

func (o TransportOptions) masked() maskedOptions {
	m := maskedOptions(o)
	for _, pem := range []*[]byte{&m.CAPEM, &m.CertPEM, &m.KeyPEM} {
		if *pem != nil {
			*pem = []byte{}
		}
	}
	if o.Proxy != nil {
		shown := *o.Proxy
		shown.User, shown.Opaque, shown.Path, shown.RawPath = nil, "", "", ""
		shown.RawQuery, shown.Fragment, shown.RawFragment = "", "", ""
		m.Proxy = &shown
	}
	return m
}

// String returns the type and nothing of the options.
func (t *Transport) String() string { return "client.Transport" }

// Format implements fmt.Formatter, so that no verb prints a key.
func (t *Transport) Format(f fmt.State, _ rune) { printTo(f, t.String()) }

// Format implements fmt.Formatter, so that no verb prints the credentials of a client.
func (c *httpClusterClient) Format(f fmt.State, _ rune) {
	if c == nil || c.pool.view() == nil {
		printTo(f, "client.Client(nil)")
		return
	}
	printTo(f, fmt.Sprintf("client.Client%q", c.Endpoints()))
}

// maskedValue is a value that prints itself without its secrets.
type maskedValue interface {
	fmt.Stringer
	fmt.GoStringer
}

func formatMasked(f fmt.State, verb rune, v maskedValue) {
	if verb == 'v' && f.Flag('#') {
		printTo(f, v.GoString())
		return
	}
	printTo(f, v.String())
}

func printTo(w io.Writer, text string) {
	_, _ = io.WriteString(w, text) //nolint:errcheck // fmt's own buffer takes all
}
