package benchmarks

import (
	"fmt"
	"slices"
	"strings"
)

// A Section is the part of a Markdown page between two comments, each on a line of its own.
type Section struct {
	begin, end string
}

// TableSection is where benchmarks/README.md has the table of all lines.
func TableSection() Section {
	return Section{"<!-- table: all lines of results.json -->", "<!-- /table -->"}
}

// SpeedSection is where README.md has its rows.
func SpeedSection() Section {
	return Section{"<!-- speed: rows of benchmarks/results.json -->", "<!-- /speed -->"}
}

// Replace returns the page with content as the section. A page that does not have each
// comment exactly once, in order, is an error.
func (s Section) Replace(page, content string) (string, error) {
	lines := strings.Split(page, "\n")
	begin, err := onlyIndex(lines, s.begin)
	if err != nil {
		return "", err
	}
	end, err := onlyIndex(lines, s.end)
	if err != nil {
		return "", err
	}
	if end < begin {
		return "", fmt.Errorf("benchmarks: the line %s is after %s", s.begin, s.end)
	}
	section := []string{"", strings.TrimRight(content, "\n"), ""}
	return strings.Join(slices.Concat(lines[:begin+1], section, lines[end:]), "\n"), nil
}

// onlyIndex returns the index of the one line that equals line.
func onlyIndex(lines []string, line string) (int, error) {
	found, n := 0, 0
	for i, l := range lines {
		if l == line {
			found = i
			n++
		}
	}
	if n != 1 {
		return 0, fmt.Errorf("benchmarks: %d lines are %s instead of one", n, line)
	}
	return found, nil
}
