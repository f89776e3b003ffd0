package bootstrap

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What one file of this package uses of another leads one way: a reader who
// follows a step downwards never comes back to a file that they have left.
func TestFilesUseEachOtherOneWay(t *testing.T) {
	uses := fileUses(t)
	var path []string
	done := map[string]bool{}
	var visit func(file string)
	visit = func(file string) {
		if i := slices.Index(path, file); i >= 0 {
			t.Errorf("a circle: %s", strings.Join(append(path[i:], file), " → "))
			return
		}
		if done[file] {
			return
		}
		path = append(path, file)
		for _, next := range slices.Sorted(maps.Keys(uses[file])) {
			visit(next)
		}
		path = path[:len(path)-1]
		done[file] = true
	}
	for _, file := range slices.Sorted(maps.Keys(uses)) {
		visit(file)
	}
}

// noPackages is an importer that finds nothing.
type noPackages struct{}

// Import is types.Importer's.
func (noPackages) Import(string) (*types.Package, error) { return nil, errors.New("not looked into") }

// fileUses returns for each file of the package which others it uses, and for what.
func fileUses(t *testing.T) map[string]map[string][]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	// Other packages are not looked into: what is not resolved is none of ours.
	config := types.Config{Importer: noPackages{}, Error: func(error) {}}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, _ := config.Check("bootstrap", set, files, info)
	out := map[string]map[string][]string{}
	for ident, object := range info.Uses {
		if object.Pkg() != pkg {
			continue
		}
		if v, ok := object.(*types.Var); ok && v.IsField() || object.Parent() != nil && object.Parent() != pkg.Scope() {
			continue // what a function has within itself
		}
		from, to := set.Position(ident.Pos()).Filename, set.Position(object.Pos()).Filename
		if out[from] == nil {
			out[from] = map[string][]string{}
		}
		if from != to {
			out[from][to] = append(out[from][to], object.Name())
		}
	}
	return out
}
