package client

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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
