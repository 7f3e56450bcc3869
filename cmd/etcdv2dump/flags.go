package main

import (
	"strings"
	"time"

	"github.com/spf13/pflag"
)

const (
	// defaultEndpoint is where an etcd serves clients unless it is told otherwise.
	defaultEndpoint = "http://127.0.0.1:2379"
	// defaultTimeout leaves a server time to gather a large store.
	defaultTimeout = time.Minute
)

// connection says how a store is reached: the flags that are named as etcdctl's.
type connection struct {
	endpoints []string

	caFile, certFile, keyFile string

	username, password string

	discoverySRV      string
	discoveryName     string
	insecureDiscovery bool

	timeout      time.Duration
	totalTimeout time.Duration

	api    string // one of apiV2, apiV3 and apiAuto
	prefix string // of keys in a v3 store
}

// A setting is a flag with the environment variables that stand for it where it
// is not given: etcdctl's for the v2 API, then its names for v3. The first one
// that is set counts.
type setting struct {
	flag      string
	variables []string
}

func settings() []setting {
	return []setting{
		{"endpoints", []string{"ETCDCTL_ENDPOINTS", "ETCDCTL_ENDPOINT", "ETCDCTL_PEERS"}},
		{"discovery-srv", []string{"ETCDCTL_DISCOVERY_SRV"}},
		{"discovery-srv-name", []string{"ETCDCTL_DISCOVERY_SRV_NAME"}},
		{"insecure-discovery", []string{"ETCDCTL_INSECURE_DISCOVERY"}},
		{"ca-file", []string{"ETCDCTL_CA_FILE", "ETCDCTL_CACERT"}},
		{"cert-file", []string{"ETCDCTL_CERT_FILE", "ETCDCTL_CERT"}},
		{"key-file", []string{"ETCDCTL_KEY_FILE", "ETCDCTL_KEY"}},
		{"username", []string{"ETCDCTL_USERNAME", "ETCDCTL_USER"}},
		{"password", []string{"ETCDCTL_PASSWORD"}},
	}
}

// aliased gives a flag by the names that it has in etcdctl for the v3 API, or
// had in old ones.
func aliased(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "cacert":
		name = "ca-file"
	case "cert":
		name = "cert-file"
	case "key":
		name = "key-file"
	case "user":
		name = "username"
	case "endpoint", "peers":
		name = "endpoints"
	case "to-cacert":
		name = "to-ca-file"
	case "to-cert":
		name = "to-cert-file"
	case "to-key":
		name = "to-key-file"
	case "to-user":
		name = "to-username"
	}
	return pflag.NormalizedName(name)
}

func (c *connection) define(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&c.endpoints, "endpoints", "C", []string{defaultEndpoint}, "the cluster's members, separated by commas: `URL,...`")
	flags.StringVarP(&c.discoverySRV, "discovery-srv", "D", "", "find the members by the SRV records of `DOMAIN`")
	flags.StringVar(&c.discoveryName, "discovery-srv-name", "", "the `NAME` of the cluster in those records")
	flags.BoolVar(&c.insecureDiscovery, "insecure-discovery", false, "use http where no SRV record is for https")
	flags.StringVar(&c.caFile, "ca-file", "", "trust servers by the authorities in this `FILE`")
	flags.StringVar(&c.certFile, "cert-file", "", "show servers the certificate in this `FILE`")
	flags.StringVar(&c.keyFile, "key-file", "", "the `FILE` with the certificate's key")
	flags.StringVarP(&c.username, "username", "u", "", "log in as `NAME[:PASSWORD]`; without a password the terminal asks")
	flags.StringVar(&c.password, "password", "", "the `PASSWORD` for --username; ETCDCTL_PASSWORD keeps it out of ps")
	flags.StringVar(&c.api, "api", apiV2, "the `API` of the store: v2, v3, or auto, which is v2 where it is served")
	flags.StringVar(&c.prefix, "prefix", "", "the keys are below this `PREFIX` of a v3 store")
	flags.DurationVar(&c.timeout, "timeout", defaultTimeout, "for a member to begin its answer to one request")
	flags.DurationVar(&c.totalTimeout, "total-timeout", 0, "for the whole command; 0 means no bound")
}

// complete takes from the environment what the command line left open, and
// checks what both say.
func (c *connection) complete(flags *pflag.FlagSet, env func(string) (string, bool)) error {
	if flags.Changed("password") && !flags.Changed("username") {
		return usageErrorf("--password without --username")
	}
	located := flags.Changed("endpoints") || flags.Changed("discovery-srv")
	for _, s := range settings() {
		if flags.Changed(s.flag) || located && (s.flag == "endpoints" || s.flag == "discovery-srv") {
			continue
		}
		if err := s.fromEnvironment(flags, env); err != nil {
			return err
		}
	}
	if flags.Changed("endpoints") && flags.Changed("discovery-srv") {
		return usageErrorf("both endpoints and an SRV domain are given, by flags or ETCDCTL_ENDPOINTS and ETCDCTL_DISCOVERY_SRV: leave one out")
	}
	return c.check()
}

func (s setting) fromEnvironment(flags *pflag.FlagSet, env func(string) (string, bool)) error {
	for _, variable := range s.variables {
		if value, _ := env(variable); value != "" {
			if err := flags.Set(s.flag, value); err != nil {
				return usageErrorf("environment variable %s: %w", variable, err)
			}
			return nil
		}
	}
	return nil
}

func (c *connection) check() error {
	if (c.certFile == "") != (c.keyFile == "") {
		return usageErrorf("--cert-file and --key-file go together, and one of them is missing")
	}
	if err := checkAPI("--api", c.api); err != nil {
		return err
	}
	if c.api == apiV2 && c.prefix != "" {
		return usageErrorf("--prefix is for a v3 store: say --api v3")
	}
	if c.api != apiV2 && c.discoverySRV != "" {
		return usageErrorf("--api %s needs --endpoints in place of --discovery-srv", c.api)
	}
	if c.timeout < 0 || c.totalTimeout < 0 {
		return usageErrorf("--timeout and --total-timeout can't be negative")
	}
	if name, password, ok := strings.Cut(c.username, ":"); ok {
		c.username, c.password = name, password
	}
	return nil
}

// urls are the endpoints one by one, none where they are found by SRV records.
// Those without a scheme get the one that the certificates ask for.
func (c *connection) urls() []string {
	if c.discoverySRV != "" {
		return nil
	}
	scheme := "http://"
	if c.caFile != "" || c.certFile != "" {
		scheme = "https://"
	}
	var urls []string
	for _, list := range c.endpoints {
		for endpoint := range strings.SplitSeq(list, ",") {
			endpoint = strings.TrimSpace(endpoint)
			if !strings.Contains(endpoint, "://") {
				endpoint = scheme + endpoint
			}
			urls = append(urls, endpoint)
		}
	}
	return urls
}
