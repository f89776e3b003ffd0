package layers

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"testing"
)

// readDown reports in which order the files of a package are to be read: each uses
// functions, types and constants of those below it only. Methods are not looked
// at: which type a call is of, the text alone does not say.
func readDown() map[string][]string {
	return map[string][]string{
		"probe/exchange":   {"exchange.go", "resend.go", "dialer.go", "dialer_linux.go"},
		"internal/plan":    {"load.go", "plan.go", "instances.go", "database.go", "place.go", "realm.go", "sooner.go", "beats.go", "job.go", "world.go", "tls.go"},
		"internal/check":   {"load.go", "login.go", "confirm.go", "check.go"},
		"internal/explain": {"explain.go", "follow.go", "changed.go"},
		"internal/results": {"stale.go", "results.go", "expected.go", "entry.go"},
		"internal/keeper":  {"keeper.go", "health.go"},
	}
}

// upward names each use, in one file, of what a file above it declares.
func upward(order []string, parsed map[string]*ast.File) (wrong []string) {
	at := map[string]string{} // file of each top-level name
	for name, file := range parsed {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					at[d.Name.Name] = name
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						at[s.Name.Name] = name
					case *ast.ValueSpec:
						for _, n := range s.Names {
							at[n.Name] = name
						}
					}
				}
			}
		}
	}
	for i, name := range order {
		file := parsed[name]
		if file == nil {
			wrong = append(wrong, name+" is not there")
			continue
		}
		for used := range usesOf(file) {
			if used == "_" {
				continue
			}
			if from := slices.Index(order, at[used]); from >= 0 && from < i {
				wrong = append(wrong, fmt.Sprintf("%s uses %s of %s, which is above it", name, used, at[used]))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// usesOf lists the names that the declarations of a file use, but for selected
// ones, for receivers, and for what a function declares itself.
func usesOf(file *ast.File) map[string]bool {
	uses := map[string]bool{}
	for _, d := range file.Decls {
		own := map[string]bool{}
		if f, ok := d.(*ast.FuncDecl); ok {
			own = declared(f)
			f.Recv = nil
		}
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				ast.Inspect(n.X, func(x ast.Node) bool {
					if id, ok := x.(*ast.Ident); ok && !own[id.Name] {
						uses[id.Name] = true
					}
					_, deeper := x.(*ast.SelectorExpr)
					return !deeper
				})
				return false
			case *ast.Field:
				ast.Inspect(n.Type, func(x ast.Node) bool {
					if id, ok := x.(*ast.Ident); ok {
						uses[id.Name] = true
					}
					_, selected := x.(*ast.SelectorExpr)
					return !selected
				})
				return false
			case *ast.KeyValueExpr:
				ast.Inspect(n.Value, func(x ast.Node) bool {
					if id, ok := x.(*ast.Ident); ok && !own[id.Name] {
						uses[id.Name] = true
					}
					_, selected := x.(*ast.SelectorExpr)
					return !selected
				})
				return false
			case *ast.Ident:
				if !own[n.Name] {
					uses[n.Name] = true
				}
			}
			return true
		})
	}
	return uses
}

func TestFilesReadDown(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range tree(t, "") {
		order, is := readDown()[f.path()]
		if !is {
			continue
		}
		seen[f.path()] = true
		parsed := files(t, f)
		for _, name := range f.GoFiles {
			if !slices.Contains(order, name) && (parsed[name].Doc == nil || len(parsed[name].Decls) > 0) {
				t.Errorf("%s: %s has no place in the order of files", f.path(), name)
			}
		}
		maps.DeleteFunc(parsed, func(name string, _ *ast.File) bool { return !slices.Contains(f.GoFiles, name) })
		for _, w := range upward(order, parsed) {
			t.Errorf("%s: %s", f.path(), w)
		}
	}
	for p := range readDown() {
		if !seen[p] {
			t.Errorf("%s is not there", p)
		}
	}
}
