package client

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// login is a user name and a password for basic authentication.
type login struct {
	username, password string
	header             string // what Authorization says; empty: no credentials at all
}

func newLogin(username, password string) *login {
	if username == "" {
		return &login{}
	}
	return &login{username, password, "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))}
}

// loginOf returns the credentials in the user part of an endpoint's URL, nil where
// it has none, or the reason why they can't be used.
func loginOf(user *url.Userinfo) (l *login, reason string) {
	if user == nil {
		return nil, ""
	}
	password, isSet := user.Password()
	switch {
	case isSet && user.Username() == "":
		return nil, "it has a password and no user"
	case strings.Contains(user.Username(), ":"):
		return nil, userHasColon
	}
	return newLogin(user.Username(), password), ""
}

// effectiveLogin returns the credentials of requests to e: its own, else config.
// nil means none.
func (e *endpoint) effectiveLogin(config *login) *login {
	if e.login != nil {
		return e.login
	}
	return config
}

// userHasColon is why a user's name is refused. The name is not repeated: what
// follows the colon may be the password.
const userHasColon = "the user has a colon, which basic authentication can't send (RFC 7617)"

// CheckRedirectFunc decides whether one more redirect of a request is followed;
// via counts the requests made to that endpoint so far and begins at 1. An error
// ends the attempt, as a failure of that endpoint, with that error.
type CheckRedirectFunc func(via int) error

// DefaultCheckRedirect follows 10 redirects and then fails with
// [ErrTooManyRedirects].
var DefaultCheckRedirect CheckRedirectFunc = func(via int) error {
	if via > 10 {
		return ErrTooManyRedirects
	}
	return nil
}

// route is the way of one request from its endpoint through redirects. It sees
// to it that credentials and writes stay among the client's own endpoints.
type route struct {
	config  *login        // for endpoints without credentials of their own
	at      *endpoint     // whose credentials go along
	view    *endpointView // the endpoints
	current *url.URL      // where the last request went
	next    *url.URL      // where the last redirect points; nil before the first
	left    bool          // an origin that is no endpoint has been on the way
}

// apply turns req, as the action made it for the endpoint, into the request for
// where the route has come to.
func (rt *route) apply(req *http.Request) error {
	if rt.next != nil {
		req.URL, req.Host = rt.next, ""
	}
	if req.URL == nil {
		return ErrNoRequest // of an action of another package
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Host == "" || req.Host == req.URL.Host {
		req.Host = withoutRootDot(req.URL.Host)
	}
	rt.current = req.URL
	if rt.left {
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			return fmt.Errorf("%w: %s would go to %s, which is none of the endpoints", ErrRedirectRefused, req.Method, originOf(req.URL))
		}
		req.Header.Del("Authorization")
		req.Header.Del("Cookie")
		return nil
	}
	if l := rt.at.effectiveLogin(rt.config); l != nil && l.header != "" {
		req.Header["Authorization"] = []string{l.header}
	}
	return nil
}

// target is the endpoint that the last request went to, for telling whether it
// is alive; it need not be one of the client's.
func (rt *route) target() *endpoint {
	if !rt.left {
		return rt.at
	}
	e := newEndpoint(url.URL{Scheme: rt.current.Scheme, Host: rt.current.Host})
	e.name = originOf(rt.current)
	return e
}

// isRedirect is true for any 3xx that names a place to go.
func isRedirect(r *reply) bool {
	return isRedirection(r.status) && r.status != http.StatusNotModified && r.get("Location") != ""
}

// follow takes the redirect r.
func (rt *route) follow(r *reply) error {
	next, err := rt.current.Parse(r.get("Location"))
	if err != nil {
		return fmt.Errorf("%w: its Location is not a URL", ErrRedirectRefused)
	}
	switch {
	case next.Scheme != "http" && next.Scheme != "https" && next.Scheme != rt.current.Scheme:
		return fmt.Errorf("%w: its scheme is %q", ErrRedirectRefused, next.Scheme)
	case next.Host == "" && (next.Scheme == "http" || next.Scheme == "https"):
		return fmt.Errorf("%w: its Location has no host", ErrRedirectRefused)
	}
	next.User = nil
	known := rt.view.lookup(next)
	if known == nil && isSocketScheme(next.Scheme) {
		return fmt.Errorf("%w: its socket is none of the endpoints", ErrRedirectRefused)
	}
	downgraded := isEncrypted(rt.current) && !isEncrypted(next)
	if known == nil || downgraded {
		// For good: what an unknown host says must not bring the credentials
		// out again.
		rt.left = true
	} else {
		rt.at = known
		if withoutRootDot(known.base.Host) != known.base.Host {
			next.Host = known.base.Host // not to be looked up as another name
		}
	}
	rt.next = next
	return nil
}
