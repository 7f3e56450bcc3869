package client

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"reflect"
	"testing"
)

// NO_PROXY knows no dots at the end of names.
func TestProxyIsChosenByTheNameWithoutTheDot(t *testing.T) {
	for host, want := range map[string]string{"a.example.com.:2379": "a.example.com:2379", "b:2379": "b:2379"} {
		req := &http.Request{URL: &url.URL{Scheme: "http", Host: host}}
		seen := ""
		_, err := proxyByName(func(req *http.Request) (*url.URL, error) {
			seen = req.URL.Host
			return nil, nil
		})(req)
		if err != nil || seen != want || req.URL.Host != host {
			t.Errorf("%s: chosen by %q: %v, and is %s now", host, seen, err, req.URL.Host)
		}
	}
}

// The zero TransportOptions and DefaultTransport are the same, field by field, except
// for proxies.
func TestDefaultTransport_equalsZeroOptions(t *testing.T) {
	made, err := NewTransport(TransportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	fresh := newDefaultTransport() // one in use has fields that net/http has written
	for name, d := range map[string]*http.Transport{"DefaultTransport": fresh, "its clone": fresh.Clone(), "a clone of the one in use": DefaultTransport.(*http.Transport).Clone()} {
		got, want := reflect.ValueOf(d).Elem(), reflect.ValueOf(made.pool.Load().Transport.Clone()).Elem()
		for i := range got.NumField() {
			field := got.Type().Field(i)
			switch {
			case !field.IsExported(), field.Name == "TLSNextProto": // net/http's own
			case field.Name == "Proxy":
				if d.Proxy == nil || made.pool.Load().Proxy != nil {
					t.Errorf("%s: the environment's proxies are for DefaultTransport alone", name)
				}
			case field.Name == "TLSClientConfig":
				config := want.Field(i).Interface().(*tls.Config)
				if config.RootCAs != nil || config.GetClientCertificate != nil || config.ServerName != "" || config.MinVersion != tls.VersionTLS12 {
					t.Errorf("%s: TLS differs from net/http's default", name)
				}
			case field.Type.Kind() == reflect.Func:
				if got.Field(i).IsNil() != want.Field(i).IsNil() {
					t.Errorf("%s: %s is set for one of the two", name, field.Name)
				}
			case !reflect.DeepEqual(got.Field(i).Interface(), want.Field(i).Interface()): //nolint:forbidigo // fields of any type
				t.Errorf("%s: %s is %v, want %v", name, field.Name, got.Field(i), want.Field(i))
			}
		}
		if d.HTTP2 == nil || d.HTTP2.SendPingTimeout != defaultPingInterval || d.HTTP2.PingTimeout != defaultPingTimeout || !d.ForceAttemptHTTP2 {
			t.Errorf("%s sends no pings: %+v", name, d.HTTP2)
		}
	}
	if o := (TransportOptions{}).withDefaults(); made.dialer.timeout != o.DialTimeout || *o.KeepAlive != defaultKeepAlive() || o.DialTimeout != defaultDialTimeout {
		t.Error("dialing differs")
	}
}
