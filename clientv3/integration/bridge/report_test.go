package bridge

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// reduceTimeout is how long a script that fails is cut down.
const reduceTimeout = time.Minute

// reduce cuts a script that shows a difference down to what shows one.
func (st *stage) reduce(ctx context.Context, s script, difference string) (script, string) {
	ctx, cancel := context.WithTimeout(ctx, reduceTimeout)
	defer cancel()
	for size := len(s.Steps); size > 0; {
		smaller := false
		for at := 0; at+size <= len(s.Steps) && ctx.Err() == nil; {
			shorter := script{Steps: slices.Delete(slices.Clone(s.Steps), at, at+size), Watches: s.Watches}
			if diff, err := st.play(ctx, shorter); err == nil && diff != "" {
				s, difference, smaller = shorter, diff, true
				continue
			}
			at++
			if size > 1 {
				at += size - 1
			}
		}
		if !smaller || size > 1 {
			size /= 2
		}
	}
	return s, difference
}

// source prints a script as a test.
func source(s script) string {
	var b strings.Builder
	b.WriteString("func TestFound(t *testing.T) {\n\tplayOnce(t, script{\n\t\tSteps: []step{\n")
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "\t\t\t%s,\n", literal(step))
	}
	b.WriteString("\t\t},\n\t\tWatches: []watch{\n")
	for _, w := range s.Watches {
		fmt.Fprintf(&b, "\t\t\t%s,\n", literal(w))
	}
	b.WriteString("\t\t},\n\t})\n}\n")
	return b.String()
}

// literal writes an element of a slice, without the fields that are zero.
func literal(v any) string {
	_, fields, _ := strings.Cut(fmt.Sprintf("%#v", v), "{") // without the name of the type
	text := "{" + fields
	for _, zero := range []string{`\b\w+:(""|0x0|0|false)(, |\})`, `\b\w+:client\.\w+\{\}(, |\})`} {
		text = regexp.MustCompile(zero).ReplaceAllStringFunc(text, func(field string) string {
			if strings.HasSuffix(field, ", ") {
				return ""
			}
			return "}"
		})
	}
	return strings.ReplaceAll(text, ", }", "}")
}
