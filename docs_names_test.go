package client_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources are the parsed files of the library, tests aside.
func sources(t *testing.T, patterns ...string) (*token.FileSet, []*ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, file)
		}
	}
	return fset, parsed
}

// undocumented returns the exported names of a file that have no comment: what
// the linters look at, and fields and the methods of interfaces as well. The
// comment of a field, or of the name of a constant, may be that of the line
// above, and that of a group of constants or variables speaks for all.
func undocumented(fset *token.FileSet, file *ast.File) []string {
	var missing []string
	check := func(within string, name *ast.Ident, comments ...*ast.CommentGroup) bool {
		for _, comment := range comments {
			if comment.Text() != "" {
				return true
			}
		}
		if name.IsExported() {
			missing = append(missing, fmt.Sprintf("%s: %s%s", fset.Position(name.Pos()), within, name.Name))
		}
		return false
	}
	members := func(within string, fields *ast.FieldList) {
		last := -1 // the line of the last field with a comment, or behind one
		for _, f := range fields.List {
			documented := fset.Position(f.Pos()).Line == last+1
			for _, name := range f.Names {
				documented = documented || check(within, name, f.Doc, f.Comment)
			}
			if documented {
				last = fset.Position(f.End()).Line
			}
		}
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || ast.IsExported(receiver(d)) {
				check("", d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range s.Names {
						check("", name, d.Doc, s.Doc, s.Comment)
					}
				case *ast.TypeSpec:
					check("", s.Name, d.Doc, s.Doc)
					if !s.Name.IsExported() {
						continue
					}
					switch typ := s.Type.(type) {
					case *ast.StructType:
						members(s.Name.Name+".", typ.Fields)
					case *ast.InterfaceType:
						members(s.Name.Name+".", typ.Methods)
					}
				}
			}
		}
	}
	return missing
}

// receiver is the name of the type that a method is of.
func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	if pointer, ok := typ.(*ast.StarExpr); ok {
		typ = pointer.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

func TestExportedNamesAreDocumented(t *testing.T) {
	fset, files := sources(t, "*.go", "mirror/*.go", "concurrency/*.go")
	for _, file := range files {
		for _, missing := range undocumented(fset, file) {
			t.Errorf("%s has no comment", missing)
		}
	}
}

// TestExportedNamesAreDocumentedFindsMistakes tests the tester.
func TestExportedNamesAreDocumentedFindsMistakes(t *testing.T) {
	const text = `package p

func A() {}

type B struct {
	// D and E are documented.
	D int
	E, O int

	F int
	g int
}

// H is documented.
type H interface {
	I()
}

func (H) J() {}

func (*k) String() string { return "" }

// The constants.
const (
	L = 1
	M = 2
)

var N int
`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(undocumented(fset, file), "\n")
	const want = "p.go:3:6: A\np.go:5:6: B\np.go:10:2: B.F\np.go:16:2: H.I\np.go:19:10: J\np.go:29:5: N"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var unresolvedLink = regexp.MustCompile(`\[\*?(\w+\.)*[A-Z]\w*\]`)

// deadLinks returns the words in brackets of a package's comments that look like
// links to names and lead nowhere. Comments of fields and of the methods of
// interfaces are left out: they are shown as they are.
func deadLinks(p *doc.Package) []string {
	texts := []string{p.Doc}
	funcs, values := p.Funcs, slices.Concat(p.Consts, p.Vars)
	for _, typ := range p.Types {
		texts = append(texts, typ.Doc)
		funcs = slices.Concat(funcs, typ.Funcs, typ.Methods)
		values = slices.Concat(values, typ.Consts, typ.Vars)
	}
	for _, f := range funcs {
		texts = append(texts, f.Doc)
	}
	for _, v := range values {
		texts = append(texts, v.Doc)
	}
	var dead []string
	for _, text := range texts {
		eachWord(p.Parser().Parse(text).Content, func(word comment.Text) {
			if plain, ok := word.(comment.Plain); ok {
				dead = append(dead, unresolvedLink.FindAllString(string(plain), -1)...)
			}
		})
	}
	return dead
}

// eachWord visits the words of a comment, code aside.
func eachWord(blocks []comment.Block, visit func(comment.Text)) {
	for _, block := range blocks {
		var words []comment.Text
		switch b := block.(type) {
		case *comment.Paragraph:
			words = b.Text
		case *comment.Heading:
			words = b.Text
		case *comment.List:
			for _, item := range b.Items {
				eachWord(item.Content, visit)
			}
		}
		for _, word := range words {
			visit(word)
		}
	}
}

func TestDocCommentsLinkToNames(t *testing.T) {
	for pattern, path := range map[string]string{
		"*.go":        "github.com/coreos/etcd/client",
		"mirror/*.go": "github.com/coreos/etcd/client/mirror",
	} {
		fset, files := sources(t, pattern)
		p, err := doc.NewFromFiles(fset, files, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, dead := range deadLinks(p) {
			t.Errorf("%s: %s leads nowhere", path, dead)
		}
	}
}

// TestDocCommentsLinkToNamesFindsMistakes tests the tester.
func TestDocCommentsLinkToNamesFindsMistakes(t *testing.T) {
	const text = "// Package p has [T], [T.M] and [Missing].\npackage p\n\n// T is not [*Other].\ntype T int\n\n// M has no [T.N]:\n//   - nor [Q].\nfunc (T) M() {}\n"
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	p, err := doc.NewFromFiles(fset, []*ast.File{file}, "p")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(deadLinks(p), " "), "[Missing] [*Other] [T.N] [Q]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
