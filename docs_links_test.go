package client_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// documents are the files that users read, by their absolute names.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if file, err = filepath.Abs(file); err != nil {
				t.Fatal(err)
			}
			all = append(all, file)
		}
	}
	return all
}

func readDocument(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	docsLink     = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	docsCode     = regexp.MustCompile("`[^`]*`")
	docsTestName = regexp.MustCompile("`((?:Test|Example|Fuzz)[A-Z]\\w*)`")
)

// prose returns the lines of a document that are no code, and their numbers.
func prose(text string, visit func(number int, line string)) {
	inBlock := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inBlock = !inBlock
		} else if !inBlock {
			visit(i+1, line)
		}
	}
}

// anchors returns the anchors of a document's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	prose(text, func(_ int, line string) {
		heading := strings.TrimLeft(line, "#")
		if heading == line || !strings.HasPrefix(heading, " ") {
			return
		}
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(heading))
		anchor := slug
		for n := 1; found[anchor]; n++ {
			anchor = fmt.Sprintf("%s-%d", slug, n)
		}
		found[anchor] = true
	})
	return found
}

// brokenLinks returns the links of a document that lead to no file or heading of
// the checkout. Those to other places are not followed.
func brokenLinks(t *testing.T, file, text string) []string {
	t.Helper()
	var broken []string
	prose(text, func(number int, line string) {
		for _, match := range docsLink.FindAllStringSubmatch(docsCode.ReplaceAllString(line, ""), -1) {
			u, err := url.Parse(match[1])
			if err == nil && u.Scheme != "" {
				continue
			}
			if err == nil {
				err = checkLink(t, file, text, u)
			}
			if err != nil {
				broken = append(broken, fmt.Sprintf("%s:%d: %s: %v", file, number, match[1], err))
			}
		}
	})
	return broken
}

func checkLink(t *testing.T, file, text string, u *url.URL) error {
	t.Helper()
	if u.Path != "" {
		file = filepath.Join(filepath.Dir(file), filepath.FromSlash(u.Path))
		info, err := os.Stat(file)
		if err != nil || info.IsDir() || u.Fragment == "" {
			return err
		}
		text = readDocument(t, file)
	}
	if !anchors(text)[u.Fragment] {
		return fmt.Errorf("no heading makes the anchor %q", u.Fragment)
	}
	return nil
}

// TestDocsLinks follows the links of all pages of the repository.
func TestDocsLinks(t *testing.T) {
	files := repositoryFiles(t)
	for _, page := range repositoryPages(files) {
		file, err := filepath.Abs(filepath.FromSlash(page))
		if err != nil {
			t.Fatal(err)
		}
		for _, broken := range brokenLinks(t, file, string(files[page])) {
			t.Error(broken)
		}
	}
}

// TestDocsLinksFindsMistakes tests the tester.
func TestDocsLinksFindsMistakes(t *testing.T) {
	const text = `# What is "it", and why-not?

[good](README.md) [good](README.md#errors) [good](#what-is-it-and-why-not) [good](#twice-1) [good](https://example.com/x#y)
![good](LICENSE) ` + "`[code](nothing)`" + `

## Twice
## Twice

[bad](NOTHING.md) [bad](README.md#nothing) [bad](#nothing)
`
	file, err := filepath.Abs("doc.md")
	if err != nil {
		t.Fatal(err)
	}
	broken := brokenLinks(t, file, text)
	if len(broken) != 3 {
		t.Errorf("got %d broken links, want 3:\n%s", len(broken), strings.Join(broken, "\n"))
	}
	for _, b := range broken {
		if !strings.Contains(b, "doc.md:9: ") {
			t.Errorf("%s: want line 9", b)
		}
	}
}

// TestDocsNameTests checks that the tests which documents name are there.
func TestDocsNameTests(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"*_test.go", "mirror/*_test.go", "integration/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			sources.WriteString(readDocument(t, file))
		}
	}
	for _, file := range documents(t) {
		for _, match := range docsTestName.FindAllStringSubmatch(readDocument(t, file), -1) {
			if !strings.Contains(sources.String(), "func "+match[1]+"(") {
				t.Errorf("%s: there is no %s", file, match[1])
			}
		}
	}
}
