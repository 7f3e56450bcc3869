package client_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
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
	historicAPIFile = "testdata/client-v2.txt" // the API that programs were written against
	currentAPIFile  = "testdata/api.txt"       // ours, as it was last agreed on
)

// apiException is a line of the historic API that this package has in another
// form, and the lines it has instead.
type apiException struct {
	historic []string
	current  string
	reason   string
}

var apiExceptions = []apiException{
	{
		historic: []string{
			"type CancelableTransport interface",
			"type CancelableTransport interface, CancelRequest(req *http.Request)",
			"type CancelableTransport interface, RoundTrip(*http.Request) (*http.Response, error)",
		},
		current: "type CancelableTransport = http.RoundTripper",
		reason:  "requests are cancelled by their context, so any RoundTripper plugs in",
	},
	{
		historic: []string{"type Client interface, Do(context.Context, httpAction) (*http.Response, []byte, error)"},
		current:  "type Client interface, Do(context.Context, HTTPAction) (*http.Response, []byte, error)",
		reason:   "a method that programs implement can't have a parameter they can't name",
	},
	{
		historic: []string{"type Client interface, GetVersion(ctx context.Context) (*version.Versions, error)"},
		current:  "type Client interface, GetVersion(ctx context.Context) (*Versions, error)",
		reason:   "the type was of the server's module, which must not come in",
	},
	{
		historic: []string{"type Discoverer interface, Discover(domain string, serviceName string) ([]string, error)"},
		current:  "type Discoverer interface, Discover(domain string, serviceName ...string) ([]string, error)",
		reason:   "up to 3.3 it had one parameter, from 3.4 on two: both calls compile",
	},
	{
		historic: []string{"type Permissions struct, KV rwPermission `json:\"kv\"`"},
		current:  "type Permissions struct, KV RWPermission `json:\"kv\"`",
		reason:   "programs could not write a literal of it",
	},
}

func TestExportedAPI(t *testing.T) {
	current := exportedAPI(t)
	if *updateAPI {
		text := strings.Join(current, "\n") + "\n"
		if err := os.WriteFile(currentAPIFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	agreed := readLines(t, currentAPIFile)
	for _, line := range missingFrom(current, agreed) {
		t.Errorf("not in %s: %s", currentAPIFile, line)
	}
	for _, line := range missingFrom(agreed, current) {
		t.Errorf("gone, and in %s: %s", currentAPIFile, line)
	}
	if t.Failed() {
		t.Log("if that is meant: go test -run TestExportedAPI -update")
	}
}

func TestHistoricAPIIsThere(t *testing.T) {
	current, historic := exportedAPI(t), readLines(t, historicAPIFile)
	for _, e := range apiExceptions {
		for _, line := range missingFrom(e.historic, historic) {
			t.Errorf("exception for what is not historic: %s", line)
		}
		if !slices.Contains(current, e.current) {
			t.Errorf("missing, and wanted because %s: %s", e.reason, e.current)
		}
	}
	for _, line := range missingFrom(historic, current) {
		if !isExcepted(line) {
			t.Errorf("missing: %s", line)
		}
	}
}

// TestInterfacesNeverGainAMethod holds for the interfaces that programs
// implement as fakes: with one method more, the fakes no longer compile.
func TestInterfacesNeverGainAMethod(t *testing.T) {
	historic := readLines(t, historicAPIFile)
	for _, line := range exportedAPI(t) {
		name, _, isMethod := strings.Cut(line, ", ")
		if !isMethod || !strings.HasSuffix(name, " interface") || !slices.Contains(historic, name) {
			continue
		}
		replaces := slices.ContainsFunc(apiExceptions, func(e apiException) bool { return e.current == line })
		if !replaces && !slices.Contains(historic, line) {
			t.Errorf("new method of a historic interface: %s", line)
		}
	}
}

func isExcepted(line string) bool {
	return slices.ContainsFunc(apiExceptions, func(e apiException) bool { return slices.Contains(e.historic, line) })
}

// missingFrom returns the lines that are not in others.
func missingFrom(lines, others []string) []string {
	var missing []string
	for _, line := range lines {
		if !slices.Contains(others, line) {
			missing = append(missing, line)
		}
	}
	return missing
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
	pkg := typecheckedPackage(t)
	l := &apiLister{pkg: pkg}
	for _, name := range pkg.Scope().Names() {
		if token.IsExported(name) {
			l.add(pkg.Scope().Lookup(name))
		}
	}
	slices.Sort(l.lines)
	return l.lines
}

// typecheckedPackage reads this package's source. What it imports is read from
// the build cache, where the go command knows the place of each.
func typecheckedPackage(t *testing.T) *types.Package {
	t.Helper()
	const path = "github.com/coreos/etcd/client"
	files, exports := listPackages(t, path)
	fset := token.NewFileSet()
	var syntax []*ast.File
	for _, name := range files {
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		syntax = append(syntax, file)
	}
	open := func(imported string) (io.ReadCloser, error) { return os.Open(exports[imported]) }
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", open)}
	pkg, err := config.Check(path, fset, syntax, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

// listPackages returns the source files of the package at path, and where the
// compiled form of each package is that it depends on.
func listPackages(t *testing.T, path string) (files []string, exports map[string]string) {
	t.Helper()
	const format = `{{.ImportPath}} {{.Export}}{{if not .DepOnly}}{{range .GoFiles}} {{.}}{{end}}{{end}}`
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", format, ".")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	exports = make(map[string]string)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue // package unsafe has no compiled form
		}
		exports[words[0]] = words[1]
		if words[0] == path {
			files = words[2:]
		}
	}
	return files, exports
}

// apiLister writes the exported things of pkg in the form of the historic list.
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

// signature writes a function's parameters and results, each with its type.
func (l *apiLister) signature(f *types.Func) string {
	s := f.Signature()
	var results string
	switch {
	case s.Results().Len() == 1 && s.Results().At(0).Name() == "":
		results = " " + l.text(s.Results().At(0).Type())
	case s.Results().Len() > 0:
		results = " " + l.tuple(s.Results(), false)
	}
	return f.Name() + l.tuple(s.Params(), s.Variadic()) + results
}

func (l *apiLister) tuple(vars *types.Tuple, variadic bool) string {
	var words []string
	for v := range vars.Variables() {
		typ := l.text(v.Type())
		if variadic && len(words) == vars.Len()-1 {
			typ = "..." + strings.TrimPrefix(typ, "[]")
		}
		words = append(words, strings.TrimSpace(v.Name()+" "+typ))
	}
	return "(" + strings.Join(words, ", ") + ")"
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
	named, ok := o.Type().(*types.Named)
	if !ok {
		return
	}
	for method := range named.Methods() {
		if method.Exported() {
			l.line("method (%s) %s", l.text(method.Signature().Recv().Type()), l.signature(method))
		}
	}
	switch u := named.Underlying().(type) {
	case *types.Struct:
		l.addStruct(o.Name(), u)
	case *types.Interface:
		l.addInterface(o.Name(), u)
	default:
		l.line("type %s %s", o.Name(), l.text(u))
	}
}

func (l *apiLister) addStruct(name string, s *types.Struct) {
	l.line("type %s struct", name)
	for i := range s.NumFields() {
		field, tag := s.Field(i), s.Tag(i)
		if !field.Exported() {
			continue
		}
		if tag != "" {
			tag = " `" + tag + "`"
		}
		if field.Embedded() {
			l.line("type %s struct, embedded %s%s", name, l.text(field.Type()), tag)
			continue
		}
		l.line("type %s struct, %s %s%s", name, field.Name(), l.text(field.Type()), tag)
	}
}

// addInterface also tells of methods that other packages can't implement.
func (l *apiLister) addInterface(name string, i *types.Interface) {
	l.line("type %s interface", name)
	for method := range i.Methods() {
		if method.Exported() {
			l.line("type %s interface, %s", name, l.signature(method))
		} else {
			l.line("type %s interface, unexported method %s", name, method.Name())
		}
	}
}
