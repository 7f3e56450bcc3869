package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// fileReply is what a Get of /a gives for a value and an index.
func fileReply(value, index string) fakeAnswer {
	return fakeAnswer{header: "X-Etcd-Index: 20", body: `{"action":"get","node":{"key":"/a","value":"` + value + `","modifiedIndex":` + index + `,"createdIndex":2}}`}
}

const (
	getQuorum = "GET http://etcd/base/v2/keys/a?quorum=true"
	putAt7    = "PUT http://etcd/base/v2/keys/a?prevIndex=7"
	dirReply  = `{"action":"get","node":{"key":"/a","dir":true,"modifiedIndex":7,"createdIndex":7}}`
)

func wantRequestLines(t *testing.T, f *fakeTransport, want ...string) {
	t.Helper()
	if got := f.lines(); !slices.Equal(got, want) {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestConditionsAreRefused(t *testing.T) {
	ctx := t.Context()
	for name, cond := range map[string]client.Condition{
		"zero":                  {},
		"nothing and nothing":   client.Condition{}.And(client.Condition{}),
		"index 0":               client.IfIndex(0),
		"a value and index 0":   client.IfValue("x").And(client.IfIndex(0)),
		"two values":            client.IfValue("x").And(client.IfValue("")),
		"two indexes":           client.IfIndex(1).And(client.IfIndex(2)),
		"two values, nested":    client.IfIndex(1).And(client.IfValue("x").And(client.IfValue("y"))),
		"two values, then more": client.IfValue("x").And(client.IfValue("y")).And(client.IfIndex(3)),
		"no UTF-8":              client.IfValue("\xff"),
	} {
		t.Run(name, func(t *testing.T) {
			kapi := client.NewKeysAPI(newClient(t, script(t)))
			_, err := client.CompareAndSwap(ctx, kapi, "/a", "1", cond, nil)
			wantInvalidInput(t, err, "condition")
			_, err = client.CompareAndDelete(ctx, kapi, "/a", cond)
			wantInvalidInput(t, err, "condition")
		})
	}
	kapi := client.NewKeysAPI(newClient(t, script(t)))
	_, err := client.CompareAndSwap(ctx, kapi, "/a", "\xff", client.IfValue(""), nil)
	wantInvalidInput(t, err, "value")
	_, err = client.CompareAndSwap(ctx, kapi, "..", "1", client.IfValue(""), nil)
	wantInvalidInput(t, err, "key")
	var none context.Context
	_, err = client.CompareAndDelete(none, kapi, "/a", client.IfValue(""))
	wantInvalidInput(t, err, "context")
}

func TestConditionsOnTheWire(t *testing.T) {
	tests := []struct {
		cond  client.Condition
		query string
	}{
		{client.IfValue("x"), "prevValue=x"},
		{client.IfIndex(7), "prevIndex=7"},
		{client.IfValue("x").And(client.IfIndex(7)), "prevIndex=7&prevValue=x"},
		{client.IfIndex(7).And(client.IfValue("x")).And(client.IfValue("x")), "prevIndex=7&prevValue=x"},
	}
	for _, tt := range tests {
		f := script(t, fakeAnswer{body: setReply}, fakeAnswer{body: setReply})
		kapi := client.NewKeysAPI(newClient(t, f))
		opts := &client.SwapOptions{TTL: time.Second, NoValueOnSuccess: true}
		if _, err := client.CompareAndSwap(t.Context(), kapi, "/a", "1", tt.cond, opts); err != nil {
			t.Error(err)
		}
		if _, err := client.CompareAndDelete(t.Context(), kapi, "/a", tt.cond); err != nil {
			t.Error(err)
		}
		wantRequestLines(t, f,
			"PUT http://etcd/base/v2/keys/a?noValueOnSuccess=true&"+tt.query+" ttl=1&value=1",
			"DELETE http://etcd/base/v2/keys/a?"+tt.query)
	}
}

func TestCompareWithEmptyValue(t *testing.T) {
	empty, full := fileReply("", "7"), fileReply("x", "7")
	compareFailed := fakeAnswer{status: 412, body: compareReply}
	atSeven := client.IfValue("").And(client.IfIndex(7))
	tests := []struct {
		name    string
		cond    client.Condition
		answers []fakeAnswer
		lines   []string
		code    int // of the error; 0: none
		cause   string
	}{
		{"empty", client.IfValue(""), []fakeAnswer{empty, {body: setReply}}, []string{getQuorum, putAt7 + " value=1"}, 0, ""},
		{"not empty", client.IfValue(""), []fakeAnswer{full}, []string{getQuorum}, client.ErrorCodeTestFailed, "[ != x]"},
		{"missing", client.IfValue(""), []fakeAnswer{{status: 404, body: `{"errorCode":100,"cause":"/a"}`}}, []string{getQuorum}, client.ErrorCodeKeyNotFound, "/a"},
		{"a directory", client.IfValue(""), []fakeAnswer{{body: dirReply}}, []string{getQuorum}, client.ErrorCodeNotFile, "/a"},
		{
			"written between, empty again", client.IfValue(""),
			[]fakeAnswer{fileReply("", "6"), compareFailed, empty, {body: setReply}},
			[]string{getQuorum, strings.Replace(putAt7, "7", "6", 1) + " value=1", getQuorum, putAt7 + " value=1"},
			0, "",
		},
		{
			"written between, not empty any more", client.IfValue(""),
			[]fakeAnswer{empty, compareFailed, fileReply("y", "8")},
			[]string{getQuorum, putAt7 + " value=1", getQuorum},
			client.ErrorCodeTestFailed, "[ != y]",
		},
		{"at its index", atSeven, []fakeAnswer{empty, {body: setReply}}, []string{getQuorum, putAt7 + " value=1"}, 0, ""},
		{"at another index", atSeven, []fakeAnswer{fileReply("x", "8")}, []string{getQuorum}, client.ErrorCodeTestFailed, "[ != x] [7 != 8]"},
		{
			"at its index, written between", atSeven,
			[]fakeAnswer{empty, compareFailed},
			[]string{getQuorum, putAt7 + " value=1"},
			client.ErrorCodeTestFailed, "[1 != 2]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := script(t, tt.answers...)
				_, err := client.CompareAndSwap(t.Context(), client.NewKeysAPI(newClient(t, f)), "/a", "1", tt.cond, nil)
				wantRequestLines(t, f, tt.lines...)
				if tt.code == 0 && err == nil {
					return
				}
				if e, ok := bare[client.Error](err); !ok || e.Code != tt.code || e.Cause != tt.cause {
					t.Errorf("got %v, want code %d, cause %q", err, tt.code, tt.cause)
				}
			})
		})
	}
}

func TestCompareWithEmptyValueAndDelete(t *testing.T) {
	f := script(t, fileReply("", "7"), fakeAnswer{body: setReply})
	if _, err := client.CompareAndDelete(t.Context(), client.NewKeysAPI(newClient(t, f)), "/a", client.IfValue("")); err != nil {
		t.Error(err)
	}
	wantRequestLines(t, f, getQuorum, strings.Replace(putAt7, "PUT", "DELETE", 1))
}

func TestCompareAndSwapIsSentOnce(t *testing.T) {
	for _, cond := range []client.Condition{client.IfValue("x"), client.IfValue("")} {
		f := newFakeTransport(t, nil)
		writes := 0
		f.answer = func(req *http.Request) fakeAnswer {
			if req.Method == http.MethodGet {
				return fileReply("", "7")
			}
			writes++
			return fakeAnswer{err: io.ErrUnexpectedEOF}
		}
		kapi := client.NewKeysAPI(newClient(t, f, "http://a", "http://b"))
		_, err := client.CompareAndSwap(t.Context(), kapi, "/a", "1", cond, nil)
		if _, ok := bare[*client.ClusterError](err); !ok || !errors.Is(err, client.ErrOutcomeUnknown) || writes != 1 {
			t.Errorf("got %v after %d writes", err, writes)
		}
	}
}

// TestCompareWithEmptyValuePauses has another program write, each time between.
func TestCompareWithEmptyValuePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newModelStore()
		s.put("/a", "", 0)
		var reads []time.Time
		s.before = func(line string) {
			if line == "quorum get" {
				reads = append(reads, time.Now())
			} else {
				s.put("/a", "", 0)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		_, err := client.CompareAndSwap(ctx, s, "/a", "1", client.IfValue(""), nil)
		if !same(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		wantPauses(t, reads)
	})
}

// wantPauses checks the time between attempts: at most 10 ms, doubled each time up
// to a second, and at least half of that.
func wantPauses(t *testing.T, attempts []time.Time) {
	t.Helper()
	if len(attempts) < 10 {
		t.Fatalf("%d attempts", len(attempts))
	}
	longest := 10 * time.Millisecond
	for i := range attempts[1:] {
		if pause := attempts[i+1].Sub(attempts[i]); pause < longest/2 || pause > longest {
			t.Errorf("pause %d is %v, want %v to %v", i, pause, longest/2, longest)
		}
		longest = min(2*longest, time.Second)
	}
}
