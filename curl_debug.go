package client

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

var curlDebug atomic.Bool //nolint:gochecknoglobals // historic API: the switch is per process

// EnablecURLDebug prints every request from now on to standard error, as a curl
// command quoted for a POSIX shell. Credentials are left out, and so are the
// bodies that have a password. It may be called at any time.
func EnablecURLDebug() { curlDebug.Store(true) }

// DisablecURLDebug ends what EnablecURLDebug began.
func DisablecURLDebug() { curlDebug.Store(false) }

func printCurlCommand(req *http.Request) {
	if curlDebug.Load() && req.URL != nil {
		_, _ = fmt.Fprintln(os.Stderr, curlCommand(req)) // there is nowhere to report it
	}
}

// curlCommand leaves req's body unread.
func curlCommand(req *http.Request) string {
	u := *req.URL
	u.User, u.RawQuery = nil, queryForDisplay(u.RawQuery)
	words := []string{"curl", "-X", req.Method, shellQuote(u.String())}
	var names []string
	for name := range req.Header {
		if !isSecretName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		words = append(words, "-H", shellQuote(name+": "+strings.Join(req.Header[name], ", ")))
	}
	if req.GetBody != nil {
		// --data-raw: others would take a body that begins with @ for a file.
		words = append(words, "--data-raw", shellQuote(bodyForDisplay(req)))
	}
	return strings.Join(words, " ")
}

// queryForDisplay returns the query without the values of parameters that may hold
// credentials, which an action of another package may have added.
func queryForDisplay(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err != nil || isSecretName(plain) {
			parts[i] = name + "=hidden"
		}
	}
	return strings.Join(parts, "&")
}

// isSecretName reports whether a header field or query parameter of this name may hold
// credentials: those that this client sends, and those that a Client around it may add.
func isSecretName(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"authorization", "cookie", "token", "secret", "password", "api-key"}, func(word string) bool {
		return strings.Contains(name, word)
	})
}

const hiddenBody = "(a body with a password is not shown)"

func bodyForDisplay(req *http.Request) string {
	if strings.Contains(req.URL.Path, authUsersPath+"/") {
		return hiddenBody
	}
	body, err := req.GetBody()
	if err != nil {
		return "(" + err.Error() + ")"
	}
	defer closeQuietly(body)
	const most = 1 << 20
	var text strings.Builder
	if _, err := io.Copy(&text, io.LimitReader(body, most)); err != nil {
		return "(" + err.Error() + ")"
	}
	if strings.Contains(text.String(), `"password"`) || strings.Contains(text.String(), "password=") {
		return hiddenBody // of another path after a redirect, or a form of another package: values are escaped in forms
	}
	return text.String()
}

// shellQuote returns s as one word for a POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
