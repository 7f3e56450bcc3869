package client

// LookAtCAFile makes t look at its CAFile in each request over TLS, and not at most
// once a second.
func LookAtCAFile(t *Transport) {
	if t.roots != nil {
		t.roots.interval = 0
	}
}
