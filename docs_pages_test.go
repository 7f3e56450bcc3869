package client_test

import (
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A text may refer to pages of the repository only, or by a URL: a reader has nothing
// else.

var (
	pageName = regexp.MustCompile(`[\w./-]*\w\.md\b`)
	pageURL  = regexp.MustCompile(`https?://[^\s)>"]+`)
)

// missingPages returns the pages that a text names and that do not exist: neither
// beside it nor at the root of the repository, nor, where there is no directory
// in the name, anywhere in it.
func missingPages(all []string, file, text string) []string {
	var missing []string
	for _, name := range pageName.FindAllString(pageURL.ReplaceAllString(text, ""), -1) {
		name = strings.TrimLeft(name, "/")
		inRoot := name
		for strings.HasPrefix(inRoot, "../") { // as a command in another directory has it
			inRoot = strings.TrimPrefix(inRoot, "../")
		}
		known := slices.Contains(all, path.Join(path.Dir(file), name)) || slices.Contains(all, path.Clean(inRoot))
		if !strings.Contains(name, "/") {
			known = known || slices.ContainsFunc(all, func(page string) bool { return path.Base(page) == name })
		}
		if !known {
			missing = append(missing, name)
		}
	}
	return missing
}

// commentsOf returns the comments of a Go file.
func commentsOf(t *testing.T, file, code string) string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, code, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, comment := range parsed.Comments {
		text.WriteString(comment.Text())
	}
	return text.String()
}

func TestDocsPages(t *testing.T) {
	files := repositoryFiles(t)
	pages := repositoryPages(files)
	for file, content := range files {
		if !isText(content) {
			continue
		}
		text := string(content)
		if strings.HasSuffix(file, "_test.go") {
			text = commentsOf(t, file, text) // In code, tests name pages that they write themselves.
		}
		for _, missing := range missingPages(pages, file, text) {
			t.Errorf("%s names %s, which is not in the repository", file, missing)
		}
	}
}

// TestDocsPages_FindsMistakes tests the tester.
func TestDocsPages_FindsMistakes(t *testing.T) {
	all := []string{"README.md", "docs/watching.md", "clientv3/README.md"}
	const text = "See watching.md, ../README.md, docs/watching.md, https://example.org/DESIGN.md, DESIGN.md, shared/watching.md, (glossary.md)."
	got := missingPages(all, "clientv3/x.go", text)
	if want := []string{"DESIGN.md", "shared/watching.md", "glossary.md"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	const code = "package p\n\n// See gone.md.\nconst file = `page.md`\n"
	if got := missingPages(all, "x_test.go", commentsOf(t, "x_test.go", code)); !slices.Equal(got, []string{"gone.md"}) {
		t.Errorf("got %q, want gone.md alone", got)
	}
}
