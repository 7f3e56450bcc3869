package client

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// NewSRVDiscover makes a Discoverer that looks up the SRV records
//
//	_etcd-client-ssl._tcp.<domain>  for https endpoints, and
//	_etcd-client._tcp.<domain>      for http endpoints,
//
// or with a service name those of _etcd-client-ssl-<name> and
// _etcd-client-<name>, by net.DefaultResolver. The https endpoints come first,
// each list in the order of priority and weight (RFC 2782). Discover fails when
// neither list has a record; its error names both look-ups. Each look-up is
// bounded by [DefaultRequestTimeout].
//
// Source: etcd clustering guide, "DNS discovery".
func NewSRVDiscover() Discoverer { return srvDiscover{} }

type srvDiscover struct{}

// Discover implements Discoverer.
func (srvDiscover) Discover(domain string, serviceName ...string) ([]string, error) {
	suffix := ""
	switch {
	case domain == "":
		return nil, &InvalidInputError{Field: "domain", Reason: "it is empty"}
	case len(serviceName) > 1:
		return nil, &InvalidInputError{Field: "service name", Value: strings.Join(serviceName, ", "), Reason: "there can be only one"}
	case len(serviceName) == 1 && serviceName[0] != "":
		suffix = "-" + serviceName[0]
	}
	secure, secureErr := lookupEndpoints("https", "etcd-client-ssl"+suffix, domain)
	plain, plainErr := lookupEndpoints("http", "etcd-client"+suffix, domain)
	endpoints := slices.Concat(secure, plain)
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("client: no endpoints for domain %q: %w; %w", domain, secureErr, plainErr)
	}
	return endpoints, nil
}

func lookupEndpoints(scheme, service, domain string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), DefaultRequestTimeout)
	defer cancel()
	_, records, err := net.DefaultResolver.LookupSRV(ctx, service, "tcp", domain)
	if err != nil {
		return nil, fmt.Errorf("_%s._tcp.%s: %w", service, domain, err)
	}
	endpoints := make([]string, 0, len(records))
	for _, record := range records {
		host := strings.TrimSuffix(record.Target, ".")
		if host == "" {
			continue // RFC 2782: a target of "." says that there is no such service
		}
		endpoints = append(endpoints, scheme+"://"+net.JoinHostPort(host, strconv.Itoa(int(record.Port))))
	}
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("_%s._tcp.%s: no records", service, domain)
	}
	return endpoints, nil
}
