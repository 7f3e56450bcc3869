package client

import (
	"io"
	"net/http"
)

// The schemes of endpoints; those of unix sockets are known to isSocketScheme.
const schemeHTTPS, schemeHTTP = "https", "http"

func isSocketScheme(scheme string) bool { return scheme == "unix" || scheme == "unixs" }

// isRefusalStatus reports whether a status says that the request was not carried
// out, whoever says it: a gateway, a proxy or etcd. 408, 409, 412 and the like are
// not among them: what a gateway means by them is not known.
func isRefusalStatus(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusProxyAuthRequired,
		http.StatusLengthRequired, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusExpectationFailed, http.StatusMisdirectedRequest,
		http.StatusUpgradeRequired, http.StatusTooManyRequests, http.StatusRequestHeaderFieldsTooLarge,
		http.StatusUnavailableForLegalReasons:
		return true
	}
	return false
}

// isIdleTimeout reports whether a status is one by which proxies end a reply that
// takes them too long.
func isIdleTimeout(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusBadGateway ||
		status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

func isSuccess(status int) bool { return status/100 == 2 }

func isRedirection(status int) bool { return status/100 == 3 }

func isClientError(status int) bool {
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError
}

// closeQuietly closes a body that is not needed any more.
func closeQuietly(body io.Closer) {
	if body == nil {
		return
	}
	_ = body.Close() //nolint:errcheck // all that it held has been read, or does not matter
}
