package client

import (
	"net/http"
	"testing"
)

func TestEventOf(t *testing.T) {
	header := http.Header{"X-Etcd-Index": {"7"}}
	event, err := eventOf(&reply{status: http.StatusOK, header: header, body: []byte("\n")})
	if err != nil || event != nil {
		t.Errorf("a poll without an event: got %+v, %v", event, err)
	}
	event, err = eventOf(&reply{status: http.StatusOK, header: header, body: []byte(`{"action":"set","node":{"key":"/a","modifiedIndex":9}}`)})
	if err != nil || event == nil || event.Node.ModifiedIndex != 9 || event.Index != 7 {
		t.Errorf("an event: got %+v, %v", event, err)
	}
	_, err = eventOf(&reply{status: http.StatusBadRequest, header: header, body: []byte(`{"errorCode":401,"index":8}`)})
	if !IsEventIndexCleared(err) {
		t.Errorf("a refusal: got %v", err)
	}
	if _, err = eventOf(&reply{status: http.StatusGatewayTimeout}); err == nil {
		t.Error("a 504 passes for a poll without an event")
	}
}
