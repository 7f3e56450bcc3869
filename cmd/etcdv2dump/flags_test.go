package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// parse is what a command line and an environment make of the connection.
func parse(env map[string]string, args ...string) (connection, error) {
	var c connection
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.SetNormalizeFunc(aliased)
	c.define(flags)
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	err := c.complete(flags, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	return c, err
}

func TestConnectionComesFromFlagsThenEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  map[string]string
		args string
		want connection
	}{
		{name: "nothing", want: connection{endpoints: []string{defaultEndpoint}}},
		{name: "v2 flags", args: "--endpoints http://a:1 --ca-file ca --cert-file c --key-file k --username u:p:w", want: connection{
			endpoints: []string{"http://a:1"}, caFile: "ca", certFile: "c", keyFile: "k", username: "u", password: "p:w",
		}},
		{name: "v3 flags", args: "--endpoints http://a:1 --cacert ca --cert c --key k --user u --password p", want: connection{
			endpoints: []string{"http://a:1"}, caFile: "ca", certFile: "c", keyFile: "k", username: "u", password: "p",
		}},
		{name: "old flags", args: "--peers http://a:1 -u u:p", want: connection{endpoints: []string{"http://a:1"}, username: "u", password: "p"}},
		{name: "oldest flag", args: "-C http://a:1", want: connection{endpoints: []string{"http://a:1"}}},
		{name: "v2 variables", env: map[string]string{
			"ETCDCTL_ENDPOINTS": "http://a:1", "ETCDCTL_CA_FILE": "ca", "ETCDCTL_CERT_FILE": "c", "ETCDCTL_KEY_FILE": "k", "ETCDCTL_USERNAME": "u:p",
		}, want: connection{endpoints: []string{"http://a:1"}, caFile: "ca", certFile: "c", keyFile: "k", username: "u", password: "p"}},
		{name: "v3 variables", env: map[string]string{
			"ETCDCTL_ENDPOINTS": "http://a:1", "ETCDCTL_CACERT": "ca", "ETCDCTL_CERT": "c", "ETCDCTL_KEY": "k", "ETCDCTL_USER": "u", "ETCDCTL_PASSWORD": "p",
		}, want: connection{endpoints: []string{"http://a:1"}, caFile: "ca", certFile: "c", keyFile: "k", username: "u", password: "p"}},
		{
			name: "a flag goes before its variable, also by its other name",
			env:  map[string]string{"ETCDCTL_CACERT": "theirs", "ETCDCTL_ENDPOINTS": "http://theirs:1"},
			args: "--cacert mine --endpoints http://mine:1",
			want: connection{endpoints: []string{"http://mine:1"}, caFile: "mine"},
		},
		{
			name: "the v2 variable goes before the v3 one",
			env:  map[string]string{"ETCDCTL_CA_FILE": "two", "ETCDCTL_CACERT": "three"},
			want: connection{endpoints: []string{defaultEndpoint}, caFile: "two"},
		},
		{
			name: "an empty variable is none",
			env:  map[string]string{"ETCDCTL_CA_FILE": "", "ETCDCTL_CACERT": "three"},
			want: connection{endpoints: []string{defaultEndpoint}, caFile: "three"},
		},
		{
			name: "an SRV domain on the command line goes before endpoints in the environment",
			env:  map[string]string{"ETCDCTL_ENDPOINTS": "http://theirs:1"}, args: "-D example.com",
			want: connection{endpoints: []string{defaultEndpoint}, discoverySRV: "example.com"},
		},
		{
			name: "endpoints on the command line go before an SRV domain in the environment",
			env:  map[string]string{"ETCDCTL_DISCOVERY_SRV": "example.com"}, args: "--endpoints http://mine:1",
			want: connection{endpoints: []string{"http://mine:1"}},
		},
		{
			name: "discovery", env: map[string]string{"ETCDCTL_DISCOVERY_SRV": "example.com", "ETCDCTL_INSECURE_DISCOVERY": "true"}, args: "--discovery-srv-name blue",
			want: connection{endpoints: []string{defaultEndpoint}, discoverySRV: "example.com", discoveryName: "blue", insecureDiscovery: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(tt.env, strings.Fields(tt.args)...)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.timeout, tt.want.api = defaultTimeout, apiV2
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(connection{})); diff != "" {
				t.Errorf("wanted -, got +:\n%s", diff)
			}
		})
	}
}

func TestConnectionsThatCanNotBe(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  map[string]string
		args string
		says string
	}{
		{name: "certificate without key", args: "--cert-file c", says: "--key-file"},
		{name: "negative time", args: "--timeout -1s", says: "--timeout"},
		{name: "no such API", args: "--api v4", says: "--api"},
		{name: "a prefix of v2", args: "--prefix /p", says: "--prefix"},
		{name: "v3 by SRV records", args: "--api v3 -D example.com", says: "--endpoints"},
		{name: "password without user", args: "--password p", says: "--username"},
		{name: "two places, by flags", args: "--endpoints http://a:1 -D example.com", says: "leave one out"},
		{name: "two places, by variables", env: map[string]string{"ETCDCTL_ENDPOINTS": "http://a:1", "ETCDCTL_DISCOVERY_SRV": "b"}, says: "leave one out"},
		{name: "a variable that is no bool", env: map[string]string{"ETCDCTL_INSECURE_DISCOVERY": "maybe"}, says: "ETCDCTL_INSECURE_DISCOVERY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.env, strings.Fields(tt.args)...)
			if !isA[usageError](err) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one of usage that says %q", err, tt.says)
			}
		})
	}
}

func TestEndpointsWithoutScheme(t *testing.T) {
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"", []string{"http://127.0.0.1:2379"}},
		{"--endpoints a:1,http://b:2", []string{"http://a:1", "http://b:2"}},
		{"--endpoints a:1 --endpoints b:2", []string{"http://a:1", "http://b:2"}},
		{"--endpoints a:1,http://b:2 --ca-file ca", []string{"https://a:1", "http://b:2"}},
		{"--endpoints a:1 --cert c --key k", []string{"https://a:1"}},
		{"-D example.com", nil},
	} {
		c, err := parse(nil, strings.Fields(tt.args)...)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.urls(); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.args, got, tt.want)
		}
	}
}
