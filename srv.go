package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"
)

// SRV describes the SRV records by which the endpoints of a cluster are found:
//
//	_etcd-client-ssl._tcp.<Domain>  https endpoints
//	_etcd-client._tcp.<Domain>      http endpoints
//
// Only one of the two lists is used, never a mixture: that of https wherever it
// has a record, and that of http only where DNS says that the other has none. A
// look-up of the https records that merely fails does not lead to http.
//
// [NewFromSRV] makes a client that knows the records' priorities, keeps its
// credentials from targets that are not the domain's, and looks up again when
// need be. Endpoints gives the bare list.
//
// Over TLS, certificates are verified for the name of each target, without the
// dot at its end. Where they are for the domain instead, give the transport a
// tls.Config with that ServerName.
//
// Source: etcd clustering guide, "DNS discovery"; RFC 2782.
type SRV struct {
	// Domain is the domain that has the records. It is absolute, with or without
	// a dot at its end: the search list of the host is not applied. One in other
	// scripts is converted as browsers do (UTS #46).
	Domain string

	// Service distinguishes clusters of one domain: the records are those of
	// _etcd-client-ssl-<Service> and _etcd-client-<Service>. It has letters,
	// digits, hyphens and underscores, at most 46. Empty means none.
	Service string

	// Resolver looks the records up; nil means net.DefaultResolver. The targets'
	// addresses are the transport's to find (net.Dialer.Resolver).
	Resolver *net.Resolver

	// RequireTLS never uses the http list.
	RequireTLS bool

	// AllowPlain uses the http list where DNS has no https records. Without it
	// that is refused (ErrPlainRefused), whatever client asks and whatever its
	// transport: a forged answer that there are no https records would otherwise
	// bring the requests, with the credentials, to the forger. RequireTLS goes
	// before it.
	AllowPlain bool

	// TargetDomains are domains besides Domain that a client with credentials
	// takes targets from. Any other target is refused (*SRVTargetError): for
	// its own name the forger of a record may well have a certificate.
	TargetDomains []string
}

const (
	serviceHTTPS, serviceHTTP = "etcd-client-ssl", "etcd-client"

	// maxServiceName leaves room in a label, which has 63 octets, for
	// "_etcd-client-ssl-".
	maxServiceName = 63 - len("_"+serviceHTTPS+"-")
	// maxDomain leaves room in a name, which has 253, for the services before it.
	maxDomain = 253 - 63 - len("._tcp.")
)

// Endpoints looks the endpoints up, as URLs that Config takes: in the order of
// priority, and in random order by weight within one. Their names are absolute,
// they end in a dot; what is sent as Host and verified is the name without it.
//
// The time it takes is bounded by ctx and by what the resolver allows itself. The
// error is an *InvalidInputError or a [*SRVError]. What credentials the endpoints
// are for is not known here: the targets may have any names.
func (s SRV) Endpoints(ctx context.Context) ([]string, error) {
	found, err := s.find(ctx, srvSecurity{})
	if err != nil {
		return nil, err
	}
	urls := make([]string, len(found))
	for i, r := range found {
		urls[i] = r.url(".")
	}
	return urls, nil
}

// NewSRVDiscover returns a Discoverer that looks up the SRV records
//
//	_etcd-client-ssl._tcp.<domain>  for https endpoints, and
//	_etcd-client._tcp.<domain>      for http endpoints,
//
// or with a service name those of _etcd-client-ssl-<name> and
// _etcd-client-<name>, by net.DefaultResolver. The https endpoints come first,
// each list in the order of priority and weight (RFC 2782). Discover fails when
// neither list has a record, with an *InvalidInputError or a [*SRVError], which
// names both look-ups. Each look-up is bounded by [DefaultRequestTimeout].
//
// It is as it always was: both lists together, also where one can't be looked
// up, and whatever the targets. [NewFromSRV] and [SRV] are safer.
//
// Source: etcd clustering guide, "DNS discovery".
func NewSRVDiscover() Discoverer { return srvDiscover{} }

type srvDiscover struct{}

// Discover implements Discoverer.
func (srvDiscover) Discover(domain string, serviceName ...string) ([]string, error) {
	if len(serviceName) > 1 {
		return nil, &InvalidInputError{Field: "service name", Reason: "there can be only one"}
	}
	s, err := SRV{Domain: domain, Service: strings.Join(serviceName, "")}.inASCII()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	secure := s.lookup(ctx, schemeHTTPS, s.Domain, DefaultRequestTimeout)
	plain := s.lookup(ctx, schemeHTTP, s.Domain, DefaultRequestTimeout)
	var endpoints []string
	for _, r := range slices.Concat(secure.records, plain.records) {
		endpoints = append(endpoints, r.url(""))
	}
	if len(endpoints) == 0 {
		return nil, newSRVError(ctx, domain, secure, plain)
	}
	return endpoints, nil
}

// srvSecurity is what find has to protect.
type srvSecurity struct {
	login bool // the client sends a user's name and password to the targets
}

// find looks up the one list that is to be used.
func (s SRV) find(ctx context.Context, security srvSecurity) ([]srvRecord, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	q, err := s.inASCII()
	if err != nil {
		return nil, err
	}
	absolute := strings.TrimSuffix(q.Domain, ".") + "."
	secure := q.lookup(ctx, schemeHTTPS, absolute, 0)
	plain := srvAnswer{name: q.name(schemeHTTP, absolute)}
	chosen := &secure
	switch {
	case len(secure.records) > 0:
	case !isNotFound(secure.err):
		plain.err = errPlainNotAsked
	case s.RequireTLS || !s.AllowPlain:
		plain.err = ErrPlainRefused
	default:
		plain = q.lookup(ctx, schemeHTTP, absolute, 0)
		chosen = &plain
	}
	if security.login {
		q.checkTargets(chosen)
	}
	if len(chosen.records) == 0 {
		return nil, newSRVError(ctx, s.Domain, secure, plain)
	}
	return chosen.records, nil
}

// srvRecord is one endpoint that a record names.
type srvRecord struct {
	scheme   string
	host     string // without the dot at its end
	port     uint16
	priority uint16
}

// url returns the endpoint's URL; dot is what its host's name ends in.
func (r srvRecord) url(dot string) string {
	return r.scheme + "://" + net.JoinHostPort(r.host+dot, strconv.Itoa(int(r.port)))
}

// srvAnswer is what one look-up came to.
type srvAnswer struct {
	name    string
	records []srvRecord
	err     error // why there are no records
}

// name is what is looked up for the endpoints of the scheme.
func (s SRV) name(scheme, domain string) string { return "_" + s.service(scheme) + "._tcp." + domain }

func (s SRV) service(scheme string) string {
	service := serviceHTTP
	if scheme == schemeHTTPS {
		service = serviceHTTPS
	}
	if s.Service != "" {
		service += "-" + s.Service
	}
	return service
}

// lookup sends one look-up. A bound of zero is none.
func (s SRV) lookup(ctx context.Context, scheme, domain string, bound time.Duration) srvAnswer {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if bound > 0 {
		ctx, cancel = context.WithTimeout(ctx, bound)
		defer cancel()
	}
	a := srvAnswer{name: s.name(scheme, domain)}
	// With an error may come records all the same: those whose names are names.
	_, records, err := cancelable(ctx, s.Resolver).LookupSRV(ctx, s.service(scheme), "tcp", domain)
	for _, r := range records {
		host := strings.TrimSuffix(r.Target, ".")
		if host == "" || r.Port == 0 {
			continue
		}
		a.records = append(a.records, srvRecord{scheme: scheme, host: host, port: r.Port, priority: r.Priority})
	}
	switch {
	case len(a.records) > 0:
	case slices.ContainsFunc(records, func(r *net.SRV) bool { return r.Target == "." }):
		a.err = &net.DNSError{Err: `the service is decidedly not available at this domain (its target is ".", RFC 2782)`, Name: a.name, IsNotFound: true}
	case len(records) > 0:
		a.err = errNoTarget
	case err != nil:
		a.err = err
	default:
		a.err = &net.DNSError{Err: "no such service", Name: a.name, IsNotFound: true}
	}
	return a
}

// cancelable returns a resolver like r, or of net.DefaultResolver where that is nil,
// for look-ups that hang up when ctx is cancelled. Go's own minds the deadline of
// a context, but waits on for seconds when it is cancelled.
func cancelable(ctx context.Context, r *net.Resolver) *net.Resolver {
	if r == nil {
		r = net.DefaultResolver
	}
	dial := r.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &net.Resolver{
		PreferGo:     r.PreferGo,
		StrictErrors: r.StrictErrors,
		Dial: func(question context.Context, network, address string) (net.Conn, error) {
			if err := question.Err(); err != nil {
				return nil, err
			}
			conn, err := dial(question, network, address)
			if err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, func() { // the look-up cancels ctx when it ends
				if ctx.Err() == context.Canceled {
					closeQuietly(conn)
				}
			})
			return conn, nil
		},
	}
}

// checkTargets replaces the records of an answer by an error if one has a target that
// is neither below the domain nor below one of TargetDomains.
func (s SRV) checkTargets(a *srvAnswer) {
	for _, r := range a.records {
		isBelow := func(domain string) bool {
			host, domain := strings.ToLower(r.host), strings.ToLower(strings.TrimSuffix(domain, "."))
			return host == domain || strings.HasSuffix(host, "."+domain)
		}
		if !isBelow(s.Domain) && !slices.ContainsFunc(s.TargetDomains, isBelow) {
			a.records, a.err = nil, &SRVTargetError{Target: r.host, Domain: s.Domain}
			return
		}
	}
}

// isNotFound reports whether DNS answered that there are no records, and did not
// merely fail to answer.
func isNotFound(err error) bool {
	var dnsErr *net.DNSError
	return errors.As(err, &dnsErr) && dnsErr.IsNotFound
}

// inASCII returns s with its domains as DNS has them. What is no domain or service
// is refused: it would ask for another name, or for none.
func (s SRV) inASCII() (SRV, error) {
	refuse := func(field, value, reason string) error {
		return &InvalidInputError{Field: field, Value: withoutUserinfo(value), Reason: reason}
	}
	switch {
	case len(s.Service) > maxServiceName:
		return s, refuse("service name", s.Service, fmt.Sprintf("it is longer than %d characters", maxServiceName))
	case strings.ContainsFunc(s.Service, isNotOfLabel):
		return s, refuse("service name", s.Service, "it may have letters, digits, hyphens and underscores, and nothing else")
	}
	domain, reason := asciiDomain(s.Domain)
	if reason != "" {
		return s, refuse("domain", s.Domain, reason)
	}
	s.Domain, s.TargetDomains = domain, slices.Clone(s.TargetDomains)
	for i, given := range s.TargetDomains {
		if s.TargetDomains[i], reason = asciiDomain(given); reason != "" {
			return s, refuse("target domain", given, reason)
		}
	}
	return s, nil
}

// internationalized converts domains in other scripts. Underscores stay, which are
// no part of host names, but are of DNS.
var internationalized = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true), idna.StrictDomainName(false)) //nolint:gochecknoglobals // a constant

// asciiDomain returns domain as DNS has it, or the reason why it is none.
func asciiDomain(domain string) (ascii, reason string) {
	isNotASCII := func(r rune) bool { return r > unicode.MaxASCII }
	if len(domain) <= 4*maxDomain && strings.ContainsFunc(domain, isNotASCII) {
		var err error
		if domain, err = internationalized.ToASCII(domain); err != nil {
			return "", "it is not a valid internationalized domain name"
		}
	}
	return domain, whyNotDomain(domain)
}

// whyNotDomain returns the reason, or nothing where domain is one.
func whyNotDomain(domain string) string {
	if domain == "" {
		return "it is empty"
	}
	if len(domain) > maxDomain {
		return fmt.Sprintf("it is longer than %d characters", maxDomain)
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(domain, "."), ".") {
		switch {
		case label == "":
			return "a part of it is empty"
		case len(label) > 63:
			return "a part of it is longer than 63 characters"
		case strings.ContainsFunc(label, isNotOfLabel):
			return "it may have letters, digits, hyphens, underscores and dots, and nothing else"
		}
	}
	return ""
}

func isNotOfLabel(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
		return false
	default:
		return true
	}
}

// ErrPlainRefused is the Err of the http look-up of an [SRVError] where there are no
// https records and http ones were not even looked up: SRV.AllowPlain is not set, or
// SRV.RequireTLS is.
var ErrPlainRefused = errors.New("client: http endpoints are not wanted (SRV.AllowPlain, SRV.RequireTLS)")

// errPlainNotAsked stands where a look-up of https records failed: to go on
// without would let an attacker who blocks the look-up choose http.
var errPlainNotAsked = errors.New("not looked up, for there may be https records")

// errNoTarget stands where there are records, and none can be used.
var errNoTarget = errors.New("its records have no usable target: the host is empty or the port is 0")

// SRVError means that no endpoints were found by SRV records. errors.Is and
// errors.As look into each of its Lookups: a *net.DNSError has what DNS answered,
// a [*SRVTargetError] which target was refused.
//
// It is context.Canceled or context.DeadlineExceeded, by errors.Is, only when the
// caller's context ended; Timeout reports other time-outs as well.
type SRVError struct {
	Domain  string       // what records were looked up for
	Lookups [2]SRVLookup // of the https records, and of the http ones
	Err     error        // the context's error, where that has ended; else nil
}

// SRVLookup is what the look-up of one name came to.
type SRVLookup struct {
	Name string // what was looked up: _etcd-client-ssl._tcp.<domain>
	Err  error
}

// SRVTargetError means that a record has a target that is neither of the
// discovery domain nor of one of SRV.TargetDomains, and that the client's
// credentials are not for it.
type SRVTargetError struct {
	Target string // the host that the record names
	Domain string // the domain that the record is of
}

// Error names target and domain.
func (e *SRVTargetError) Error() string {
	return fmt.Sprintf("client: the target %q is not below the domain %q, and is not given credentials (SRV.TargetDomains)", e.Target, e.Domain)
}

func newSRVError(ctx context.Context, domain string, secure, plain srvAnswer) *SRVError {
	return &SRVError{
		Domain:  domain,
		Lookups: [2]SRVLookup{{secure.name, secure.err}, {plain.name, plain.err}},
		Err:     endOf(ctx),
	}
}

// endOf is ctx.Err(), and knows it as soon as the deadline is over: a socket
// that has the same deadline may be the first to say so.
func endOf(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Error names the domain, both look-ups and what came of them, on one line.
func (e *SRVError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client: no endpoints for domain %q", e.Domain)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	separator := ": "
	for _, l := range e.Lookups {
		text := "<nil>"
		if l.Err != nil {
			text = oneLine(strings.TrimPrefix(l.Err.Error(), "client: "))
		}
		b.WriteString(separator + l.Name + ": " + text)
		separator = "; "
	}
	return b.String()
}

// Timeout reports whether a look-up took too long for the context or for the
// resolver. With Temporary it makes e a net.Error.
func (e *SRVError) Timeout() bool {
	if e.Err != nil {
		return e.Err == context.DeadlineExceeded //nolint:errorlint // identity is what is asked
	}
	return e.has(net.Error.Timeout)
}

// Temporary reports whether DNS may say something else when it is asked again.
func (e *SRVError) Temporary() bool {
	return e.Timeout() || e.has(func(err net.Error) bool {
		return err.Temporary() //nolint:staticcheck // of a DNSError it has a meaning
	})
}

func (e *SRVError) has(quality func(net.Error) bool) bool {
	for _, l := range e.Lookups {
		var netErr net.Error
		if errors.As(l.Err, &netErr) && quality(netErr) {
			return true
		}
	}
	return false
}

// Is reports whether one of the look-ups failed with target. A context's error is the caller's
// context's.
func (e *SRVError) Is(target error) bool {
	if isContextError(target) {
		return e.Err == target
	}
	for _, l := range e.Lookups {
		if errors.Is(l.Err, target) {
			return true
		}
	}
	return false
}

// As sets target to the error of a look-up that matches it.
func (e *SRVError) As(target any) bool {
	for _, l := range e.Lookups {
		if l.Err != nil && errors.As(l.Err, target) {
			return true
		}
	}
	return false
}
