package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// repositoryFiles returns the files of the checkout by their slash-separated names:
// those that git tracks or would add or, where git knows of none, as in a module's
// zip, all.
func repositoryFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	read := func(name string) {
		info, err := os.Lstat(filepath.FromSlash(name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			return // deleted and not committed, or a link
		}
		text, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = text
	}
	list, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err == nil && len(list) > 0 {
		for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
			read(name)
		}
		return files
	}
	err = fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".git":
			return fs.SkipDir
		case !entry.IsDir():
			read(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// repositoryPages returns the Markdown pages among files, by name.
func repositoryPages(files map[string][]byte) []string {
	var pages []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(name) == ".md" {
			pages = append(pages, name)
		}
	}
	return pages
}

// editorRules are the properties of .editorconfig that hold for a file.
type editorRules map[string]string

// editorRulesOf returns the rules of an .editorconfig for the file name. Of its globs
// it knows those of path.Match, for names without their directories, and {a,b}.
func editorRulesOf(config, name string) editorRules {
	rules := make(editorRules)
	matches := false
	for line := range strings.Lines(config) {
		line = strings.TrimSpace(line)
		if glob, isSection := strings.CutPrefix(line, "["); isSection {
			glob = strings.Trim(strings.TrimSuffix(glob, "]"), "{}")
			matches = slices.ContainsFunc(strings.Split(glob, ","), func(glob string) bool {
				ok, err := path.Match(glob, path.Base(name))
				return ok && err == nil
			})
		} else if key, value, found := strings.Cut(line, "="); found && matches && !strings.HasPrefix(line, "#") {
			rules[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return rules
}

// broken returns what breaks the rules in a file, one line of text each.
func (rules editorRules) broken(name string, text []byte) []string {
	var broken []string
	for number, line := range bytes.Split(text, []byte("\n")) {
		report := func(format string, args ...any) {
			broken = append(broken, fmt.Sprintf("%s:%d: ", name, number+1)+fmt.Sprintf(format, args...))
		}
		if rules["end_of_line"] == "lf" && bytes.HasSuffix(line, []byte("\r")) {
			report("ends in a carriage return")
		}
		if rules["trim_trailing_whitespace"] == "true" && len(bytes.TrimRight(line, " \t")) < len(line) {
			report("trailing whitespace")
		}
		if rules["charset"] == "utf-8" && (!utf8.Valid(line) || number == 0 && bytes.HasPrefix(line, []byte("\ufeff"))) {
			report("not UTF-8 without a byte order mark")
		}
		switch style := rules["indent_style"]; {
		case style == "space" && bytes.HasPrefix(line, []byte("\t")),
			// In Go a space may begin a line of a raw string; the rest is for gofmt.
			style == "tab" && bytes.HasPrefix(line, []byte(" ")) && path.Ext(name) != ".go":
			report("not indented by %ss", style)
		}
	}
	if rules["insert_final_newline"] == "true" && len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		broken = append(broken, name+": no newline at the end")
	}
	return broken
}

// isText reports whether a file has lines for an editor: no NUL is in it.
func isText(text []byte) bool { return !bytes.ContainsRune(text, 0) }

func TestRepository_editorconfig(t *testing.T) {
	files := repositoryFiles(t)
	config, err := os.ReadFile(".editorconfig")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !isText(files[name]) {
			continue
		}
		for _, line := range editorRulesOf(string(config), name).broken(name, files[name]) {
			t.Error(line)
		}
	}
}

// Each rule finds a mistake, in the files that it is meant for and in no others.
func TestRepository_editorconfigFindsMistakes(t *testing.T) {
	config, err := os.ReadFile(".editorconfig")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty.txt", "", nil},
		{"a/good.go", "package a\n\nfunc f() {\n\tg()\n}\n", nil},
		{"Makefile", "all:\n\tgo test\n", nil},
		{"go.mod", "require (\n\ta v1\n)\n", nil},
		{"a/x.yml", "a:\n  b: c\n", nil},
		{"docs/x.md", "```go\n\tf()\n```\n", nil},
		{"a.patch", " \n-\ta\n \tb\n", nil},
		{"raw.go", "var s = `\n  spaces`\n", nil},
		{"final.go", "package a", []string{"final.go: no newline at the end"}},
		{"testdata/x.txt", "a\n\nb", []string{"testdata/x.txt: no newline at the end"}},
		{"a.go", "package a \n", []string{"a.go:1: trailing whitespace"}},
		{"x.md", "a  \nb\t\nc\n", []string{"x.md:1: trailing whitespace", "x.md:2: trailing whitespace"}},
		{"x.txtar", "-- a --\r\nb\n", []string{"x.txtar:1: ends in a carriage return"}},
		{"x.patch", "a\r\n", []string{"x.patch:1: ends in a carriage return"}},
		{"x.jsonl", "{}\n\"\xff\"\n", []string{"x.jsonl:2: not UTF-8 without a byte order mark"}},
		{"bom.go", "\ufeffpackage a\n", []string{"bom.go:1: not UTF-8 without a byte order mark"}},
		{"x.yml", "a:\n\tb: c\n", []string{"x.yml:2: not indented by spaces"}},
		{"tools/Makefile", "all:\n    go test\n", []string{"tools/Makefile:2: not indented by tabs"}},
		{"a/go.mod", "require (\n  a v1\n)\n", []string{"a/go.mod:2: not indented by tabs"}},
		{"x.sh", "if a; then\n  b\nfi\n", []string{"x.sh:2: not indented by tabs"}},
		{".ci/run", "f() {\n  b\n}\n", []string{".ci/run:2: not indented by tabs"}},
	}
	for _, test := range tests {
		if got := editorRulesOf(string(config), test.name).broken(test.name, []byte(test.text)); !slices.Equal(got, test.want) {
			t.Errorf("%s with %q: got %q, want %q", test.name, test.text, got, test.want)
		}
	}
	if isText([]byte("PNG\x00")) || !isText([]byte("text\n")) {
		t.Error("a NUL does not tell binary files from text")
	}
}

// updatedModules returns the directories that a dependabot.yml lists. It knows no
// YAML but "directories:" and the lines "- /directory" below it.
func updatedModules(config string) []string {
	var dirs []string
	inList := false
	for line := range strings.Lines(config) {
		line = strings.TrimSpace(line)
		switch dir, isItem := strings.CutPrefix(line, "- /"); {
		case strings.HasPrefix(line, "#") || line == "":
		case line == "directories:":
			inList = true
		case inList && isItem:
			dirs = append(dirs, path.Clean(dir))
		default:
			inList = false
		}
	}
	return dirs
}

// updateMistakes compares the modules among files with those of a dependabot.yml.
func updateMistakes(config string, files []string) []string {
	var mistakes []string
	listed := updatedModules(config)
	slices.Sort(listed)
	for i, dir := range listed {
		if i > 0 && listed[i-1] == dir {
			mistakes = append(mistakes, dir+" is listed twice")
		}
		if !slices.Contains(files, path.Join(dir, "go.mod")) {
			mistakes = append(mistakes, dir+" is listed and has no go.mod")
		}
	}
	for _, name := range files {
		dir, file := path.Dir(name), path.Base(name)
		if file == "go.mod" && !slices.Contains(strings.Split(dir, "/"), "testdata") && !slices.Contains(listed, dir) {
			mistakes = append(mistakes, dir+" is not listed")
		}
	}
	return mistakes
}

func TestRepository_dependabot(t *testing.T) {
	files := slices.Sorted(maps.Keys(repositoryFiles(t)))
	if !slices.Contains(files, "tools/go.mod") {
		t.Skip("a module's zip has no nested modules")
	}
	config, err := os.ReadFile(".github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, mistake := range updateMistakes(string(config), files) {
		t.Error(mistake)
	}
}

func TestRepository_dependabotFindsMistakes(t *testing.T) {
	const config = `
updates:
  - package-ecosystem: gomod
    directories:
      - /
      # - /c
      - /a/b
    ignore:
      - /d
`
	tests := []struct {
		why, config string
		files, want []string
	}{
		{"no mistake", config, []string{"go.mod", "a/b/go.mod", "a/testdata/go.mod", "testdata/x/go.mod", "c/go.sum"}, nil},
		{"modules that are missing in the list", config, []string{"go.mod", "a/b/go.mod", "c/go.mod", "d/go.mod"}, []string{"c is not listed", "d is not listed"}},
		{"a directory without go.mod", config, []string{"a/go.mod", "go.mod"}, []string{"a/b is listed and has no go.mod", "a is not listed"}},
		{"a directory twice", config + config, []string{"a/b/go.mod", "go.mod"}, []string{". is listed twice", "a/b is listed twice"}},
		{"nothing listed", "version: 2\n", []string{"go.mod"}, []string{". is not listed"}},
	}
	for _, test := range tests {
		if got := updateMistakes(test.config, test.files); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.why, got, test.want)
		}
	}
}
