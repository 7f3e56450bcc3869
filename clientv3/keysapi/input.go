package keysapi

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/coreos/etcd/client"
)

// checkSet refuses what the native client refuses.
func checkSet(key, value string, o *client.SetOptions) error {
	if err := checkText("value", key, value); err != nil {
		return err
	}
	if err := checkText("PrevValue", key, o.PrevValue); err != nil {
		return err
	}
	switch {
	case o.PrevExist != client.PrevIgnore && o.PrevExist != client.PrevExist && o.PrevExist != client.PrevNoExist:
		return &client.InvalidInputError{Field: "PrevExist", Value: string(o.PrevExist), Reason: "it is none of PrevIgnore, PrevExist and PrevNoExist"}
	case o.Dir && value != "":
		return &client.InvalidInputError{Field: "value", Reason: fmt.Sprintf("directory %q can't have one", key)}
	case o.Refresh && value != "":
		return client.Error{Code: client.ErrorCodeRefreshValue, Message: "Value provided on refresh", Cause: key}
	case o.Refresh && o.TTL <= 0:
		return client.Error{Code: client.ErrorCodeRefreshTTLRequired, Message: "A TTL must be provided on refresh", Cause: key}
	}
	return nil
}

// checkText refuses text that the v2 API can't carry, so that what is written here
// can be read there.
func checkText(field, key, text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	return &client.InvalidInputError{Field: field, Reason: fmt.Sprintf("for key %q it is not valid UTF-8", key)}
}

func checkContext(ctx context.Context) error {
	if ctx == nil {
		return &client.InvalidInputError{Field: "context", Reason: "it is nil"}
	}
	return ctx.Err()
}
