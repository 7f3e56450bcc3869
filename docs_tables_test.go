package client_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var tableSeparator = regexp.MustCompile(`^\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?$`)

// tableCells returns how many cells a row of a table has. A pipe behind a backslash
// belongs to its cell, in code too.
func tableCells(row string) int {
	row = strings.ReplaceAll(strings.TrimSpace(row), `\|`, "")
	return strings.Count(strings.TrimSuffix(strings.TrimPrefix(row, "|"), "|"), "|") + 1
}

// tableRow is one line of a table.
type tableRow struct {
	number int
	text   string
}

// tables returns the tables of a document: lines that begin with a pipe and follow
// each other.
func tables(text string) [][]tableRow {
	var all [][]tableRow
	end := 0 // the line behind the last table
	prose(text, func(number int, line string) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			return
		}
		if number != end {
			all = append(all, nil)
		}
		last := len(all) - 1
		all[last] = append(all[last], tableRow{number, line})
		end = number + 1
	})
	return all
}

// brokenTables returns the tables of a document that a Markdown reader shows as
// text, because they have no separator or one that has another number of columns
// than the header, and the rows that have another number of cells.
func brokenTables(file, text string) []string {
	var broken []string
	for _, table := range tables(text) {
		if len(table) < 2 || !tableSeparator.MatchString(table[1].text) {
			broken = append(broken, fmt.Sprintf("%s:%d: a table without a separator", file, table[0].number))
			continue
		}
		want := tableCells(table[0].text)
		for _, row := range table[1:] {
			if got := tableCells(row.text); got != want {
				broken = append(broken, fmt.Sprintf("%s:%d: %d columns, and the header has %d", file, row.number, got, want))
			}
		}
	}
	return broken
}

func TestDocsTables(t *testing.T) {
	files := repositoryFiles(t)
	pages := repositoryPages(files)
	if len(pages) < 10 {
		t.Fatalf("found only %q", pages)
	}
	for _, page := range pages {
		for _, broken := range brokenTables(page, string(files[page])) {
			t.Error(broken)
		}
	}
}

// TestDocsTablesFindsMistakes tests the tester.
func TestDocsTablesFindsMistakes(t *testing.T) {
	const text = "| good | escaped \\| pipe | `a\\|b` |\n" + `|---|--:|:-:|
| one | two | three |
| one \| one | | |

  | indented | as in a list |
  |---|---|
  | one | two |

| wide |
|---|---|
| one |

| narrow | two |
|---|
| one | two |

| row | two |
|---|---|
| one |
| one | two | three |

|---|---|

| no separator |
| one |

` + "```" + `
| code |
|---|---|
` + "```\n"
	broken := brokenTables("doc.md", text)
	want := []string{"doc.md:11: ", "doc.md:15: ", "doc.md:20: ", "doc.md:21: ", "doc.md:23: ", "doc.md:25: "}
	if len(broken) != len(want) {
		t.Fatalf("got %d mistakes, want %d:\n%s", len(broken), len(want), strings.Join(broken, "\n"))
	}
	for i, b := range broken {
		if !strings.HasPrefix(b, want[i]) {
			t.Errorf("%s: want %s", b, want[i])
		}
	}
}
