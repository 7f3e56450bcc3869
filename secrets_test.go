package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
)

func TestUser_PrintsNoPassword(t *testing.T) {
	const secret = "s3cr3t"
	u := client.User{User: "joe", Password: secret, Roles: []string{"rr"}, Grant: []string{"gg"}}
	values := map[string]any{
		"User": u, "*User": &u, "[]User": []client.User{u}, "[]*User": []*client.User{&u},
		"map": map[string]client.User{"joe": u}, "struct": struct{ U client.User }{u}, "any": any(u),
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10v"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) || strings.Contains(text, fmt.Sprintf("%X", secret)) {
				t.Errorf("%s of %s: %s", verb, name, text)
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("user", "value", v)
		if strings.Contains(log.String(), secret) {
			t.Errorf("slog of %s: %s", name, &log)
		}
	}
	for _, v := range []any{u, &u} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("user", "value", v)
		if strings.Contains(log.String(), secret) || !strings.Contains(log.String(), `"value":{"user":"joe","roles":["rr"],"password":"[redacted]","grant":["gg"]}`) {
			t.Errorf("slog in JSON: %s", &log)
		}
	}
	for verb, want := range map[string]string{
		"%v":  "{joe [redacted] [rr] [gg] []}",
		"%+v": "{User:joe Password:[redacted] Roles:[rr] Grant:[gg] Revoke:[]}",
		"%#v": `client.User{User:"joe", Password:"[redacted]", Roles:[]string{"rr"}, Grant:[]string{"gg"}, Revoke:[]string(nil)}`,
	} {
		if got := fmt.Sprintf(verb, u); got != want {
			t.Errorf("%s: got %s, want %s", verb, got, want)
		}
	}
	if got := fmt.Sprintf("%v %v", client.User{User: "joe"}, (*client.User)(nil)); got != "{joe  [] [] []} <nil>" {
		t.Errorf("without a password: got %s", got)
	}
	if got, err := json.Marshal(u); err != nil || string(got) != `{"user":"joe","password":"s3cr3t","roles":["rr"],"grant":["gg"]}` {
		t.Errorf("JSON: got %s, %v", got, err)
	}
}

// TestAuthUserAPI_ErrorsHaveNoPassword: a gateway may repeat what it was sent.
func TestAuthUserAPI_ErrorsHaveNoPassword(t *testing.T) {
	const secret = `s3cr3t"<pw>`
	inJSON, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusInternalServerError} {
		for _, body := range []string{
			`you sent {"user":"joe","password":` + string(inJSON) + `}`,
			`you sent ` + secret,
			`{"message":"bad: password ` + string(inJSON[1:len(inJSON)-1]) + `"}`,
			`{"echo":{"user":"joe","password":` + string(inJSON) + `}}`,
		} {
			echo := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{status: status, body: body} })
			users := client.NewAuthUserAPI(newClient(t, echo, "http://etcd:2379"))
			_, changed := users.ChangePassword(t.Context(), "joe", secret)
			for _, err := range []error{users.AddUser(t.Context(), "joe", secret), changed} {
				if err == nil || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(fmt.Sprintf("%+v %#v", err, err), "s3cr3t") {
					t.Errorf("%d %s: got %v", status, body, err)
				}
				var re *client.ReplyError
				if errors.As(err, &re) && strings.Contains(re.Body+re.Message, "s3cr3t") {
					t.Errorf("%d %s: got %+v", status, body, re)
				}
			}
		}
	}
	users := client.NewAuthUserAPI(newClient(t, script(t), "http://etcd:2379"))
	for _, name := range []string{"joe:s3cr3t/x", "joe:s3cr3t\x00", "joe:s3cr3t\xff"} {
		_, err := users.GetUser(t.Context(), name)
		var invalid *client.InvalidInputError
		if !errors.As(err, &invalid) || strings.Contains(fmt.Sprintf("%v %+v", err, *invalid), "s3cr3t") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
