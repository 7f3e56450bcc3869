package clientv3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// SRV finds the endpoints of a cluster in DNS:
//
//	_etcd-client-ssl._tcp.<Domain>  https endpoints
//	_etcd-client._tcp.<Domain>      http endpoints
//
// The second are used only where DNS says that there are none of the first, not
// where that look-up merely fails.
//
//	endpoints, err := clientv3.SRV{Domain: "example.com"}.Endpoints(ctx)
//	…
//	cli, err := clientv3.New(clientv3.Config{Endpoints: endpoints})
//
// Source: etcd clustering guide, "DNS discovery"; RFC 2782.
type SRV struct {
	// Domain is the absolute name of the domain that has the records.
	Domain string

	// Service tells clusters of one domain apart: the records are those of
	// _etcd-client-ssl-<Service> and _etcd-client-<Service>. Empty means none.
	Service string

	// Resolver looks the records up; nil means net.DefaultResolver.
	Resolver *net.Resolver

	// RequireTLS never uses the http records. Set it where there are passwords:
	// who can forge an answer of DNS could have them by saying that there are
	// no https ones.
	RequireTLS bool
}

// Endpoints looks the records up, in the order of their priorities. The error
// wraps the *net.DNSError of the records that it failed at, unless ctx ended.
func (s SRV) Endpoints(ctx context.Context) ([]string, error) {
	if s.Domain == "" {
		return nil, errors.New("clientv3: SRV without a Domain")
	}
	endpoints, err := s.lookUp(ctx, "etcd-client-ssl", "https")
	var dnsErr *net.DNSError
	if errors.As(err, &dnsErr) && dnsErr.IsNotFound && !s.RequireTLS {
		endpoints, err = s.lookUp(ctx, "etcd-client", "http")
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return endpoints, err
}

func (s SRV) lookUp(ctx context.Context, service, scheme string) ([]string, error) {
	if s.Service != "" {
		service += "-" + s.Service
	}
	resolver := s.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	_, records, err := resolver.LookupSRV(ctx, service, "tcp", strings.TrimSuffix(s.Domain, ".")+".")
	if err != nil {
		return nil, fmt.Errorf("clientv3: SRV records: %w", err)
	}
	endpoints := make([]string, len(records))
	for i, record := range records {
		host := strings.TrimSuffix(record.Target, ".")
		endpoints[i] = scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(record.Port)))
	}
	return endpoints, nil
}
