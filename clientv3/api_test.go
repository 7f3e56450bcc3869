package clientv3_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updateAPI = flag.Bool("update", false, "rewrite testdata/api.txt to the API as it is")

const (
	currentAPIFile = "testdata/api.txt"       // ours, as it was last agreed on
	todaysAPIFile  = "testdata/client-v3.txt" // that of go.etcd.io/etcd/client/v3 3.7
)

func TestExportedAPI(t *testing.T) {
	current := exportedAPI(t)
	if *updateAPI {
		text := strings.Join(current, "\n") + "\n"
		if err := os.WriteFile(currentAPIFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	agreed := readLines(t, currentAPIFile)
	for _, line := range current {
		if !slices.Contains(agreed, line) {
			t.Errorf("not in %s: %s", currentAPIFile, line)
		}
	}
	for _, line := range agreed {
		if !slices.Contains(current, line) {
			t.Errorf("gone, and in %s: %s", currentAPIFile, line)
		}
	}
	if t.Failed() {
		t.Log("if that is meant: go test -run TestExportedAPI -update")
	}
}

func readLines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// exportedAPI lists what the package exports, a line for each thing, sorted.
func exportedAPI(t *testing.T) []string {
	t.Helper()
	pkg := compiledPackage(t, "github.com/coreos/etcd/clientv3")
	l := &apiLister{pkg: pkg}
	for _, name := range pkg.Scope().Names() {
		if token.IsExported(name) {
			l.add(pkg.Scope().Lookup(name))
		}
	}
	slices.Sort(l.lines)
	return l.lines
}

// compiledPackage reads the package at path, and all that it imports, from the
// build cache.
func compiledPackage(t *testing.T, path string) *types.Package {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		importPath, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[importPath] = file
	}
	open := func(imported string) (io.ReadCloser, error) { return os.Open(exports[imported]) }
	pkg, err := importer.ForCompiler(token.NewFileSet(), "gc", open).Import(path)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

// apiLister writes what pkg exports.
type apiLister struct {
	pkg   *types.Package
	lines []string
}

func (l *apiLister) line(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// text writes a type with the names of other packages before their types.
func (l *apiLister) text(typ types.Type) string {
	return types.TypeString(typ, func(p *types.Package) string {
		if p == l.pkg {
			return ""
		}
		return p.Name()
	})
}

// signature writes a function without the names of its parameters.
func (l *apiLister) signature(f *types.Func) string {
	s := f.Signature()
	params := types.NewSignatureType(nil, nil, nil, nameless(s.Params()), nameless(s.Results()), s.Variadic())
	return f.Name() + strings.TrimPrefix(l.text(params), "func")
}

func nameless(vars *types.Tuple) *types.Tuple {
	var list []*types.Var
	for v := range vars.Variables() {
		list = append(list, types.NewVar(token.NoPos, nil, "", v.Type()))
	}
	return types.NewTuple(list...)
}

func (l *apiLister) add(object types.Object) {
	switch o := object.(type) {
	case *types.Const:
		l.line("const %s %s = %s", o.Name(), l.text(o.Type()), o.Val().ExactString())
	case *types.Var:
		l.line("var %s %s", o.Name(), l.text(o.Type()))
	case *types.Func:
		l.line("func %s", l.signature(o))
	case *types.TypeName:
		l.addType(o)
	}
}

func (l *apiLister) addType(o *types.TypeName) {
	if alias, ok := o.Type().(*types.Alias); ok {
		l.line("type %s = %s", o.Name(), l.text(alias.Rhs()))
		return
	}
	named := o.Type().(*types.Named)
	for method := range named.Methods() {
		if method.Exported() {
			l.line("method (%s) %s", l.text(method.Signature().Recv().Type()), l.signature(method))
		}
	}
	switch u := named.Underlying().(type) {
	case *types.Struct:
		l.line("type %s struct", o.Name())
		for field := range u.Fields() {
			if field.Exported() {
				l.line("type %s struct, %s %s", o.Name(), field.Name(), l.text(field.Type()))
			}
		}
	case *types.Interface:
		l.line("type %s interface", o.Name())
		for method := range u.Methods() {
			l.line("type %s interface, %s", o.Name(), l.signature(method))
		}
	default:
		l.line("type %s %s", o.Name(), l.text(u))
	}
}
