package client_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
)

// TestRepeatedWrites: calls that may be sent twice go on after an unknown outcome, and
// take the second answer for what it is; the others stop.
func TestRepeatedWrites(t *testing.T) {
	const serverError = `{"message":"Internal Server Error"}`
	remove := func(ctx context.Context, c client.Client) error { return client.NewMembersAPI(c).Remove(ctx, "1234") }
	disable := func(ctx context.Context, c client.Client) error { return client.NewAuthAPI(c).Disable(ctx) }
	etcd := "X-Etcd-Cluster-Id: cdf818194e3a8c32"
	failed := fakeAnswer{status: 500, header: etcd, body: serverError}
	lost := fakeAnswer{err: io.ErrUnexpectedEOF}
	gone := fakeAnswer{status: 410, header: etcd, body: `{"message":"Member permanently removed: 1234"}`}
	unknown := fakeAnswer{status: 404, header: etcd, body: `{"message":"No such member: 1234"}`}
	off := fakeAnswer{status: 409, header: etcd, body: `{"message":"auth: already disabled"}`}
	done := fakeAnswer{status: 204, header: etcd}
	tests := []struct {
		why     string
		call    func(context.Context, client.Client) error
		answers []fakeAnswer
		is      string // in the error's text; "": none
	}{
		{"the member removes itself, and has", remove, []fakeAnswer{failed, gone}, ""},
		{"the member removes itself, and has been forgotten", remove, []fakeAnswer{failed, unknown}, ""},
		{"the answer is lost", remove, []fakeAnswer{lost, unknown}, ""},
		{"the first did nothing", remove, []fakeAnswer{failed, done}, ""},
		{"nothing was sent before", remove, []fakeAnswer{{notSent: true, err: io.ErrClosedPipe}, unknown}, "No such member"},
		{"no such member", remove, []fakeAnswer{unknown}, "No such member"},
		{"update", func(ctx context.Context, c client.Client) error {
			return client.NewMembersAPI(c).Update(ctx, "1234", []string{"http://a:2380"})
		}, []fakeAnswer{lost, done}, ""},
		{"disable", disable, []fakeAnswer{lost, off}, ""},
		{"disabled before", disable, []fakeAnswer{off}, "already disabled"},
		{"enable", func(ctx context.Context, c client.Client) error {
			return client.NewAuthAPI(c).Enable(ctx)
		}, []fakeAnswer{lost}, "may have been applied"},
		{"change of a password", func(ctx context.Context, c client.Client) error {
			_, err := client.NewAuthUserAPI(c).ChangePassword(ctx, "root", "pw")
			return err
		}, []fakeAnswer{lost}, "may have been applied"},
		{"a user is removed", func(ctx context.Context, c client.Client) error {
			return client.NewAuthUserAPI(c).RemoveUser(ctx, "joe")
		}, []fakeAnswer{lost}, "may have been applied"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			f := script(t, tt.answers...)
			err := tt.call(t.Context(), newClient(t, f, "http://a:2379", "http://b:2379"))
			if (err == nil) != (tt.is == "") || err != nil && !strings.Contains(err.Error(), tt.is) {
				t.Errorf("got %v", err)
			}
			if len(f.seen()) != len(tt.answers) {
				t.Errorf("%d requests, want %d", len(f.seen()), len(tt.answers))
			}
		})
	}
}

// TestDocuments_Bounds: replies of the small APIs have a bound of their own.
func TestDocuments_Bounds(t *testing.T) {
	long := `{"members":[` + strings.Repeat(`{"id":"1"},`, 500_000) + `{"id":"1"}]}` // 5.5 MB
	c := newClient(t, script(t, fakeAnswer{body: long}), "http://a:2379")
	if _, err := client.NewMembersAPI(c).List(t.Context()); !errors.Is(err, client.ErrResponseTooLarge) {
		t.Errorf("a member list of 5.5 MB: got error %v", err)
	}
}
