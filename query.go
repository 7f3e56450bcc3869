package client

import (
	"net/url"
	"strconv"
	"time"
)

// query is a query or a form. Its fields are set in the order of their names, so
// that it is the text that url.Values.Encode gives.
type query struct{ encoded string }

// set adds a field.
func (q *query) set(name, value string) {
	separator := "&"
	if q.encoded == "" {
		separator = ""
	}
	q.encoded += separator + name + "=" + url.QueryEscape(value)
}

// setTrue adds a field if on.
func (q *query) setTrue(name string, on bool) {
	if on {
		q.set(name, "true")
	}
}

// setText adds a field unless value is empty.
func (q *query) setText(name, value string) {
	if value != "" {
		q.set(name, value)
	}
}

// setUint adds a field unless n is zero.
func (q *query) setUint(name string, n uint64) {
	if n != 0 {
		q.set(name, strconv.FormatUint(n, 10))
	}
}

// setTTL rounds up: ttl=0 would mean to expire at once.
func (q *query) setTTL(ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	seconds := uint64(ttl / time.Second)
	if ttl%time.Second != 0 {
		seconds++
	}
	q.setUint("ttl", seconds)
}
