package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/etcd/client/dump"
)

// shownPaths is how many paths a list for people has at most.
const shownPaths = 5

// shownValue is how many bytes of a value a line for people has at most.
const shownValue = 60

// count is a number with its noun.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ey") {
		noun = strings.TrimSuffix(noun, "y") + "ie"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func nodes(keys, directories int64) string {
	return count(keys, "key") + " and " + count(directories, "directory")
}

// list is a list of paths for people.
func list(paths []string) string {
	if rest := len(paths) - shownPaths; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(paths[:shownPaths], ", "), rest)
	}
	return strings.Join(paths, ", ")
}

// content is what a node holds, for people.
func content(n *dump.Node) string {
	text := "directory"
	if !n.Dir {
		text = strconv.Quote(n.Value)
		if len(n.Value) > shownValue {
			text = fmt.Sprintf("%q... (%d bytes)", n.Value[:shownValue], len(n.Value))
		}
	}
	if n.Expiration != nil {
		text += " until " + n.Expiration.Format(time.RFC3339)
	}
	return text
}
