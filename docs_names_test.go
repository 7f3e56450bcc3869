package client_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
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

// exportedNames are the functions and types that the package declares.
func exportedNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	_, files := sources(t, "*.go")
	for _, file := range files {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok {
						names[s.Name.Name] = true
					}
				}
			}
		}
	}
	return names
}

// undocumented gives the exported names of a file that have no comment: what
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
