package client_test

import (
	"fmt"
	"go/ast"
	gobuild "go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/architecture.md has a table of the root package's components. The tests here
// keep it true: each source file is in one row, and no file uses what the last
// column excludes.

// componentsHeader is the first line of that table.
const componentsHeader = "| component | files | does | must not use |"

// component is one row of the table.
type component struct {
	name      string
	files     []string
	mustNotDo []string // names of components, and paths of packages
}

var inlineCode = regexp.MustCompile("`([^`]+)`")

// tableRows returns the cells of the rows of the table with this header.
func tableRows(page, header string) ([][]string, error) {
	for _, table := range tables(page) {
		if table[0].text != header {
			continue
		}
		var rows [][]string
		for _, row := range table[min(2, len(table)):] { // below the separator
			cells := strings.Split(strings.Trim(row.text, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			if want := tableCells(header); len(cells) != want {
				return nil, fmt.Errorf("%d cells, want %d: %s", len(cells), want, row.text)
			}
			rows = append(rows, cells)
		}
		return rows, nil
	}
	return nil, fmt.Errorf("no table with the header %s", header)
}

// parseComponents returns the components of a page. In the last column components
// are in plain words, packages in backquotes.
func parseComponents(page string) ([]component, error) {
	rows, err := tableRows(page, componentsHeader)
	if err != nil {
		return nil, err
	}
	var all []component
	for _, cells := range rows {
		c := component{name: cells[0], files: codeOf([][]string{cells}, 1)}
		for name := range strings.SplitSeq(cells[3], ",") {
			c.mustNotDo = append(c.mustNotDo, strings.TrimSpace(name))
		}
		all = append(all, c)
	}
	return all, nil
}

// checkFiles returns what is wrong with the second column, given the source files.
func checkFiles(components []component, files []string) []string {
	var wrong []string
	rows := map[string][]string{}
	for _, c := range components {
		for _, file := range c.files {
			if rows[file] = append(rows[file], c.name); !slices.Contains(files, file) {
				wrong = append(wrong, fmt.Sprintf("%s: there is no file %s", c.name, file))
			}
		}
	}
	for _, file := range files {
		if len(rows[file]) != 1 {
			wrong = append(wrong, fmt.Sprintf("%s is in %d rows %q, want one", file, len(rows[file]), rows[file]))
		}
	}
	return wrong
}

// checkUses returns the uses that the last column excludes: of names that a file
// of another component declares, and of packages.
func checkUses(t *testing.T, components []component, fset *token.FileSet, files []*ast.File, path string) ([]string, error) {
	t.Helper()
	cgo := gobuild.Default.CgoEnabled
	gobuild.Default.CgoEnabled = false // The importer below needs a C compiler for package net otherwise.
	defer func() { gobuild.Default.CgoEnabled = cgo }()
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check(path, fset, files, info)
	if err != nil {
		return nil, err
	}
	componentOf := map[string]string{} // by the name of the file
	excluded := map[string][]string{}  // by component
	for _, c := range components {
		excluded[c.name] = c.mustNotDo
		for _, file := range c.files {
			componentOf[file] = c.name
		}
	}
	var wrong []string
	for _, c := range components {
		for _, name := range c.mustNotDo {
			isComponent := excluded[name] != nil
			isPackage := strings.HasPrefix(name, "`") && strings.HasSuffix(name, "`")
			if name == c.name || !isComponent && !isPackage {
				wrong = append(wrong, fmt.Sprintf("%s must not use %q, which is neither another component nor a package in backquotes", c.name, name))
			}
		}
	}
	found := map[string]bool{}
	for ident, object := range info.Uses {
		if object.Pkg() != pkg {
			continue
		}
		from, to := fset.Position(ident.Pos()), fset.Position(object.Pos())
		user, used := componentOf[filepath.Base(from.Filename)], componentOf[filepath.Base(to.Filename)]
		if user != used && slices.Contains(excluded[user], used) {
			found[fmt.Sprintf("%s must not use %s: %s:%d has %s of %s", user, used,
				filepath.Base(from.Filename), from.Line, object.Name(), filepath.Base(to.Filename))] = true
		}
	}
	for _, file := range files {
		name := filepath.Base(fset.Position(file.Pos()).Filename)
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, err
			}
			if slices.Contains(excluded[componentOf[name]], "`"+imported+"`") {
				found[fmt.Sprintf("%s must not use %s: %s imports it", componentOf[name], imported, name)] = true
			}
		}
	}
	return append(wrong, slices.Sorted(maps.Keys(found))...), nil
}

func TestArchitecture_components(t *testing.T) {
	components, err := parseComponents(readDocument(t, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	fset, files := sources(t, "*.go")
	var names []string
	for _, file := range files {
		names = append(names, fset.Position(file.Pos()).Filename)
	}
	for _, wrong := range checkFiles(components, names) {
		t.Error(wrong)
	}
	uses, err := checkUses(t, components, fset, files, "github.com/coreos/etcd/client")
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range uses {
		t.Error(wrong)
	}
}

// TestArchitecture_components_FindsMistakes tests the tester.
func TestArchitecture_components_FindsMistakes(t *testing.T) {
	page := strings.Join([]string{
		"# Page", "", componentsHeader, "|---|---|---|---|",
		"| calls | `a.go`, `b.go` | calls | pool, `net/url` |",
		"| pool | `c.go`, `gone.go` | keeps | calls, pools, pool |",
		"| twice | `b.go` | is there twice | `os` |", "", "| not | of | the | table |",
	}, "\n")
	components, err := parseComponents(page)
	if err != nil {
		t.Fatal(err)
	}
	got := checkFiles(components, []string{"a.go", "b.go", "c.go", "d.go"})
	want := []string{
		"pool: there is no file gone.go",
		`b.go is in 2 rows ["calls" "twice"], want one`,
		"d.go is in 0 rows [], want one",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	fset := token.NewFileSet()
	var files []*ast.File
	for name, text := range map[string]string{
		"a.go": "package p\n\nimport \"net/url\"\n\nfunc call(p *pool) url.URL { return p.at() }\n",
		"c.go": "package p\n\nimport \"net/url\"\n\ntype pool struct{}\n\nfunc (*pool) at() (u url.URL) { return u }\n",
	} {
		file, parseErr := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if parseErr != nil {
			t.Fatal(parseErr)
		}
		files = append(files, file)
	}
	got, err = checkUses(t, components, fset, files, "p")
	if err != nil {
		t.Fatal(err)
	}
	want = []string{
		`pool must not use "pools", which is neither another component nor a package in backquotes`,
		`pool must not use "pool", which is neither another component nor a package in backquotes`,
		"calls must not use net/url: a.go imports it",
		"calls must not use pool: a.go:5 has at of c.go",
		"calls must not use pool: a.go:5 has pool of c.go",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	for _, bad := range []string{"# Page\n", "\n" + componentsHeader + "\n|---|---|---|---|\n| calls | `a.go` | pool |\n"} {
		if _, err := parseComponents(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

// checkGlobs returns which of the files match no pattern, or several, and which patterns
// match none of them.
func checkGlobs(patterns, files []string) ([]string, error) {
	var wrong []string
	matches := map[string]int{}
	for _, pattern := range patterns {
		found := false
		for _, file := range files {
			ok, err := filepath.Match(pattern, file)
			if err != nil {
				return nil, err
			}
			if ok {
				found = true
				matches[file]++
			}
		}
		if !found {
			wrong = append(wrong, "nothing is called "+pattern)
		}
	}
	for _, file := range files {
		if matches[file] != 1 {
			wrong = append(wrong, fmt.Sprintf("%s is in %d rows, want one", file, matches[file]))
		}
	}
	return wrong, nil
}

// codeOf returns what stands in backquotes in one column of the rows.
func codeOf(rows [][]string, column int) []string {
	var code []string
	for _, cells := range rows {
		for _, match := range inlineCode.FindAllStringSubmatch(cells[column], -1) {
			code = append(code, match[1])
		}
	}
	return code
}

// TestArchitecture_modules checks that each module, and each source file of the v3
// side, is in one row.
func TestArchitecture_modules(t *testing.T) {
	var modules []string
	for name := range repositoryFiles(t) {
		if path.Base(name) == "go.mod" {
			modules = append(modules, path.Dir(name))
		}
	}
	page := readDocument(t, "docs/architecture.md")
	for header, files := range map[string][]string{
		"| module | is | why it is a module |":        modules,
		"| component | files in `clientv3` |":         goFiles(t, "clientv3"),
		"| component | files in `clientv3/keysapi` |": goFiles(t, "clientv3/keysapi"),
	} {
		rows, err := tableRows(page, header)
		if err != nil {
			t.Fatal(err)
		}
		column := 0
		if strings.HasPrefix(header, "| component |") {
			column = 1
		}
		wrong, err := checkGlobs(codeOf(rows, column), files)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wrong {
			t.Errorf("%s: %s", header, w)
		}
	}
}

// goFiles returns the names of the source files of a package, tests and doc.go aside.
func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		if name := filepath.Base(path); !strings.HasSuffix(name, "_test.go") && name != "doc.go" {
			names = append(names, name)
		}
	}
	return names
}

// checkPlaces returns which of the places to look in do not exist: files, directories,
// functions of the root package and targets of make.
func checkPlaces(t *testing.T, places []string) []string {
	t.Helper()
	makefile := readDocument(t, "Makefile")
	var code strings.Builder
	for _, name := range goFiles(t, ".") {
		code.WriteString(readDocument(t, name))
	}
	var missing []string
	for _, place := range places {
		target, isTarget := strings.CutPrefix(place, "make ")
		_, err := os.Stat(place)
		switch {
		case isTarget && strings.Contains(makefile, "\n"+target+":"):
		case !isTarget && err == nil:
		case strings.Contains(code.String(), "\nfunc "+place+"("):
		default:
			missing = append(missing, place)
		}
	}
	return missing
}

func TestArchitecture_places(t *testing.T) {
	rows, err := tableRows(readDocument(t, "docs/architecture.md"), "| I want to change … | look in … | and test with |")
	if err != nil {
		t.Fatal(err)
	}
	for _, missing := range checkPlaces(t, slices.Concat(codeOf(rows, 1), codeOf(rows, 2))) {
		t.Errorf("there is no %s", missing)
	}
}

// TestArchitecture_places_FindsMistakes tests the testers of modules and places.
func TestArchitecture_places_FindsMistakes(t *testing.T) {
	got := checkPlaces(t, []string{"keys.go", "mirror", "make test", "classify", "gone.go", "make gone", "gone"})
	if want := []string{"gone.go", "make gone", "gone"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	got, err := checkGlobs([]string{"a*.go", "ab.go", "c.go"}, []string{"a.go", "ab.go", "d.go"})
	if want := []string{"nothing is called c.go", "ab.go is in 2 rows, want one", "d.go is in 0 rows, want one"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
