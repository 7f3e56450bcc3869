package clientv3

import (
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// scheme is what grpc-go knows the endpoints of a client by.
const scheme = "etcd-endpoints"

// endpointList tells grpc-go where the members are.
type endpointList struct {
	tlsByDefault bool
	resolver     *manual.Resolver

	mu    sync.Mutex // guards the fields below, and the order of updates
	texts []string
}

func newEndpointList(tlsByDefault bool) *endpointList {
	return &endpointList{tlsByDefault: tlsByDefault, resolver: manual.NewBuilderWithScheme(scheme)}
}

// set replaces all endpoints, or none if one of texts is wrong.
func (l *endpointList) set(texts []string) error {
	state := resolver.State{}
	for _, text := range texts {
		e, err := parseEndpoint(text, l.tlsByDefault)
		if err != nil {
			return err
		}
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{e.resolved()}})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.texts = slices.Clone(texts)
	l.resolver.UpdateState(state)
	return nil
}

// refusePlain returns an error if all endpoints are TLS and one of texts is not.
func (l *endpointList) refusePlain(texts []string) error {
	isPlain := func(text string) bool {
		e, err := parseEndpoint(text, l.tlsByDefault)
		return err == nil && !e.tls
	}
	if slices.ContainsFunc(l.get(), isPlain) {
		return nil
	}
	if i := slices.IndexFunc(texts, isPlain); i >= 0 {
		return fmt.Errorf("clientv3: a member advertises %q, where all would be sent in plain", texts[i])
	}
	return nil
}

func (l *endpointList) get() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.texts)
}

func (l *endpointList) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.texts)
}

// Endpoints returns the endpoints as they were last given by Config,
// [Client.SetEndpoints] or [Client.Sync].
func (c *Client) Endpoints() []string {
	return c.endpoints.get()
}

// SetEndpoints replaces the endpoints. Calls under way at one that is gone are
// finished there. If any of eps is wrong, or there are none, the client keeps
// those it has and tells its Logger.
func (c *Client) SetEndpoints(eps ...string) {
	err := ErrNoAvailableEndpoints
	if len(eps) > 0 {
		err = c.endpoints.set(eps)
	}
	if err != nil {
		c.logf("endpoints not changed: %v", err)
	}
}
