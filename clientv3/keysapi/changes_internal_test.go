package keysapi

import (
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/coreos/etcd/clientv3"
)

// eventsOf makes events of words: +key is a put, -key a deletion; what was there before
// follows a colon.
func eventsOf(words string) []*clientv3.Event {
	var events []*clientv3.Event
	for word := range strings.FieldsSeq(words) {
		key, prev, _ := strings.Cut(word[1:], ":")
		ev := &clientv3.Event{Type: clientv3.EventTypePut, Kv: &mvccpb.KeyValue{Key: []byte(strings.ReplaceAll(key, "0", "\x00"))}}
		if word[0] == '-' {
			ev.Type = clientv3.EventTypeDelete
		}
		if prev != "" {
			ev.PrevKv = &mvccpb.KeyValue{Value: []byte(prev)}
		}
		events = append(events, ev)
	}
	return events
}

func TestChanges(t *testing.T) {
	for name, tt := range map[string]struct{ events, want string }{
		"a file":                          {"+/a", "set /a"},
		"a file anew":                     {"+/a:v", "set /a was v"},
		"a file and its directories":      {"+/a/b/c +/a/ +/a/b/", "set /a/b/c"},
		"a directory":                     {"+/a/", "set /a/"},
		"a directory and those above":     {"+/a/b/ +/a/", "set /a/b/"},
		"a directory in a file's place":   {"+/a/ -/a:v", "set /a/ was file v"},
		"the same, the other way round":   {"-/a:v +/a/", "set /a/ was file v"},
		"a node in order":                 {"+/q/1 +/q/0 +/q/", "set /q/1"},
		"a file is deleted":               {"-/a:v", "delete /a was v"},
		"a directory is deleted":          {"-/a/ -/a/0 -/a/b:v -/a/c/ -/a/c/d:w", "delete /a/"},
		"a directory without a marker":    {"-/a/b:v -/a/c:w", "delete /a/b was v, delete /a/c was w"},
		"siblings with a common start":    {"+/a-b +/a/ +/a/b", "set /a-b, set /a/b"},
		"another program's transaction":   {"+/a +/b -/c", "set /a, set /b, delete /c"},
		"what names nothing in v2":        {"+/a/0x -/0", ""},
		"a marker of another, not of its": {"+/a/b +/c/", "set /a/b, set /c/"},
	} {
		var got []string
		for _, c := range changesOf("", eventsOf(tt.events)) {
			got = append(got, told(c))
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%s: got %q, want %q", name, text, tt.want)
		}
	}
}

// told writes a change.
func told(c change) string {
	text := "set " + c.key
	if c.deleted {
		text = "delete " + c.key
	}
	if c.dir {
		text += "/"
	}
	if c.prev == nil {
		return text
	}
	if c.dir && !c.prevDir {
		return fmt.Sprintf("%s was file %s", text, c.prev.Value)
	}
	return fmt.Sprintf("%s was %s", text, c.prev.Value)
}

func TestChangesBelowAPrefix(t *testing.T) {
	changes := changesOf("/p", eventsOf("+/p/a/b +/p/a/"))
	if len(changes) != 1 || changes[0].key != "/a/b" {
		t.Errorf("got %+v", changes)
	}
}
