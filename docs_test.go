package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every block of Go in README.md and docs/ compiles. A block is one of
//   - a program, which begins with "package main",
//   - declarations,
//   - statements of a function that returns an error. They may leave variables
//     unused, and find what docsGiven declares.
//
// A fragment, which the last two are, gets the imports of docsImports that it
// uses. What else it needs and readers don't is declared in a comment of HTML
// before it, which begins with "<!-- given". A block that is marked
// "go integration" imports other modules: a test of integration/ builds it. A
// program that is marked with the name of a file is one that readers save:
// integration/cmd/readme runs it.

// docsImports are the packages that a fragment knows, by name.
var docsImports = map[string]string{
	"client":      "github.com/coreos/etcd/client",
	"concurrency": "github.com/coreos/etcd/client/concurrency",
	"context":     "context",
	"dump":        "github.com/coreos/etcd/client/dump",
	"errors":      "errors",
	"expvar":      "expvar",
	"fmt":         "fmt",
	"fs":          "io/fs",
	"http":        "net/http",
	"httptrace":   "net/http/httptrace",
	"log":         "log",
	"mirror":      "github.com/coreos/etcd/client/mirror",
	"move":        "github.com/coreos/etcd/client/move",
	"net":         "net",
	"os":          "os",
	"rand":        "crypto/rand",
	"slog":        "log/slog",
	"strconv":     "strconv",
	"strings":     "strings",
	"time":        "time",
	"tls":         "crypto/tls",
	"url":         "net/url",
	"x509":        "crypto/x509",
}

const docsGiven = `
var (
	ctx  context.Context
	c    client.Client
	kapi client.KeysAPI
)
`

// docsBlock is one block of code of a document.
type docsBlock struct {
	file  string // absolute
	line  int    // of its first line
	info  string // what the fence says behind "go"
	given string // declarations for this block
	text  string
}

func (b docsBlock) isProgram() bool { return strings.HasPrefix(b.text, "package main\n") }

// docsBlocks returns the blocks of Go of a document.
func docsBlocks(file, text string) ([]docsBlock, error) {
	var blocks []docsBlock
	var given strings.Builder
	var open *docsBlock // the block that is read, of Go or not
	inGiven := false
	for i, line := range strings.Split(text, "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case open != nil && isFence && fence == "":
			if open.given = given.String(); open.info != "other" {
				blocks = append(blocks, *open)
			}
			open = nil
			given.Reset()
		case open != nil:
			open.text += line + "\n"
		case isFence:
			language, info, _ := strings.Cut(fence, " ")
			if open = (&docsBlock{file: file, line: i + 2, info: info}); language != "go" {
				open.info = "other"
			}
		case line == "<!-- given":
			inGiven = true
		case inGiven && line == "-->":
			inGiven = false
		case inGiven:
			given.WriteString(line + "\n")
		case strings.TrimSpace(line) != "" && given.Len() > 0:
			return nil, fmt.Errorf("%s:%d: what is given is for a block right behind it", file, i+1)
		}
	}
	if open != nil || inGiven || given.Len() > 0 {
		return nil, fmt.Errorf("%s: it ends within a block", file)
	}
	return blocks, nil
}

// source returns the block as a Go file, whose errors are reported at the block's
// lines.
func (b docsBlock) source() (string, error) {
	at := fmt.Sprintf("//line %s:%d\n", b.file, b.line)
	if b.isProgram() {
		return at + b.text, nil
	}
	body := at + b.text
	if _, err := parseFragment(body); err != nil {
		open := "func fragment() error {\n" + body
		file, err := parseFragment(open + "\n}\n")
		if err != nil {
			return "", err
		}
		body = open + usesOf(file) + "return nil\n}\n"
	}
	body = docsGiven + b.given + body
	file, err := parseFragment(body)
	if err != nil {
		return "", err
	}
	return "package fragment\n" + importsOf(file) + body, nil
}

func parseFragment(body string) (*ast.File, error) {
	return parser.ParseFile(token.NewFileSet(), "", "package fragment\n"+body, parser.SkipObjectResolution)
}

// usesOf makes statements that use the variables which the function of a
// fragment declares, save in blocks within it.
func usesOf(file *ast.File) string {
	uses := map[string]bool{}
	for _, statement := range file.Decls[len(file.Decls)-1].(*ast.FuncDecl).Body.List {
		switch s := statement.(type) {
		case *ast.AssignStmt:
			for _, left := range s.Lhs {
				if name, ok := left.(*ast.Ident); ok && s.Tok == token.DEFINE && name.Name != "_" {
					uses[name.Name] = true
				}
			}
		case *ast.DeclStmt:
			for _, spec := range s.Decl.(*ast.GenDecl).Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && s.Decl.(*ast.GenDecl).Tok == token.VAR {
					for _, name := range v.Names {
						uses[name.Name] = true
					}
				}
			}
		}
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		fmt.Fprintf(&text, "_ = %s\n", name)
	}
	return text.String()
}

// importsOf makes the imports that a fragment needs.
func importsOf(file *ast.File) string {
	paths := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok && docsImports[name.Name] != "" {
				paths[docsImports[name.Name]] = true
			}
		}
		return true
	})
	var text strings.Builder
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		fmt.Fprintf(&text, "import %q\n", path)
	}
	return text.String()
}

// compileDocs compiles and vets the blocks, each as a package of a module that
// requires this checkout, without the network, and gives what is wrong.
func compileDocs(t *testing.T, blocks []docsBlock) string {
	t.Helper()
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err = errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module docs\n\ngo 1.25.0\n\nrequire github.com/coreos/etcd/client v0.0.0\n\n"+
		"replace github.com/coreos/etcd/client => "+root+"\n")
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	write("go.sum", string(sums))
	var wrong bytes.Buffer
	for i, b := range blocks {
		source, err := b.source()
		if err != nil {
			fmt.Fprintln(&wrong, err)
			continue
		}
		write(fmt.Sprintf("block%d/block.go", i), source)
	}
	for _, args := range [][]string{
		{"build", "./..."},
		{"vet", "-unreachable=false", "./..."}, // a fragment that returns is followed by another return
	} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
		cmd.Stdout, cmd.Stderr = &wrong, &wrong
		if err := cmd.Run(); err != nil {
			fmt.Fprintf(&wrong, "go %s: %v\n", args[0], err)
			break
		}
	}
	return wrong.String()
}

func TestDocsCompile(t *testing.T) {
	var blocks []docsBlock
	for _, file := range documents(t) {
		all, err := docsBlocks(file, readDocument(t, file))
		if err != nil {
			t.Error(err)
		}
		for _, b := range all {
			switch {
			case b.info == "", b.isProgram() && strings.HasSuffix(b.info, ".go"):
				blocks = append(blocks, b)
			case b.info == "integration": // built there
			default:
				t.Errorf("%s:%d: unknown mark %q", b.file, b.line, b.info)
			}
		}
	}
	if wrong := compileDocs(t, blocks); wrong != "" {
		t.Errorf("of %d blocks:\n%s", len(blocks), wrong)
	}
}

// TestDocsCompileFindsMistakes tests the tester: each block here has a mistake,
// and is to be named for it, by its line.
func TestDocsCompileFindsMistakes(t *testing.T) {
	text := strings.Join([]string{
		"```go", "_, err := kapi.Sett(ctx, `/foo`, `bar`, nil)", "```", // 2: no such method
		"```go", "package main", "", "func main() { clientt() }", "```", // 7: no such name
		"```go", "func f() error { return client.ErrNothing }", "```", // 10: no such name
		"```go", "kapi := := c", "```", // 13: no Go
		"```go", "fmt.Printf(`%d`, `text`)", "```", // 16: vet sees it
		"```go", "if err := kapi.Do(); err != nil {", "\treturn err", "}", "```", // 19: no such method
		"```go", "for event, err := range client.Events(ctx, kapi, `/`, nil) {", "}", "```", // 24: unused variables within
		"```sh", "not go", "```",
		"<!-- given", "var word string", "-->", "", "```go", "word = 1", "```", // 35: its type
	}, "\n")
	blocks, err := docsBlocks(filepath.Join(t.TempDir(), "doc.md"), text)
	if err != nil {
		t.Fatal(err)
	}
	if want := 8; len(blocks) != want {
		t.Fatalf("%d blocks, want %d", len(blocks), want)
	}
	wantWrong := func(line int, blocks ...docsBlock) {
		t.Helper()
		if wrong := compileDocs(t, blocks); !strings.Contains(wrong, fmt.Sprintf("doc.md:%d:", line)) {
			t.Errorf("line %d is not among\n%s", line, wrong)
		}
	}
	all := compileDocs(t, slices.DeleteFunc(slices.Clone(blocks), func(b docsBlock) bool { return b.line == 16 }))
	for _, line := range []int{2, 7, 10, 13, 19, 24, 35} {
		if !strings.Contains(all, fmt.Sprintf("doc.md:%d:", line)) {
			t.Errorf("line %d is not among\n%s", line, all)
		}
	}
	wantWrong(16, blocks[4]) // vet looks at what compiles
}

func TestDocsBlocksEnd(t *testing.T) {
	for _, text := range []string{
		"```go\nx := 1\n",
		"<!-- given\nvar x int\n",
		"<!-- given\nvar x int\n-->\n",
		"<!-- given\nvar x int\n-->\nwords\n\n```go\n_ = x\n```\n",
	} {
		if _, err := docsBlocks("doc.md", text); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}
