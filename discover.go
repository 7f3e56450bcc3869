package client

// Discoverer finds the endpoints of a cluster.
type Discoverer interface {
	// Discover returns the endpoints, as URLs that Config takes, of the cluster
	// of a domain. A service name tells clusters of the same domain apart; at
	// most one may be given.
	Discover(domain string, serviceName ...string) ([]string, error)
}
