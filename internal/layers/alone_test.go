package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// beside names what starts a goroutine in some files, or has tests run beside each other.
func beside(parsed map[string]*ast.File) (found []string) {
	for name, file := range parsed {
		if strings.HasSuffix(name, "lab_test.go") { // they run later, with it
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				found = append(found, name+": go")
			case *ast.SelectorExpr:
				switch n.Sel.Name {
				case "Go", "AfterFunc", "Parallel", "RunParallel", "Serve":
					found = append(found, name+": "+n.Sel.Name)
				}
			}
			return true
		})
	}
	return found
}

// `make test` runs some packages without the race detector: nothing in them, and in
// their tests, may run beside anything.
func TestWithoutTheRaceDetector(t *testing.T) {
	folders := map[string]folder{}
	for _, f := range tree(t, "") {
		folders[f.path()] = f
	}
	text, err := os.ReadFile(filepath.Join(folders["internal/layers"].Dir, "../../Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^alone = (.*)$`).FindSubmatch(text)
	if list == nil {
		t.Fatal("the Makefile does not say which packages they are")
	}
	for _, p := range strings.Fields(string(list[1])) {
		f, is := folders[p]
		if !is {
			t.Errorf("there is no package %s", p)
			continue
		}
		if found := beside(files(t, f)); found != nil {
			t.Errorf("%s needs the race detector: %q", p, found)
		}
	}
}

func TestWhatNeedsTheRaceDetector(t *testing.T) {
	for line, want := range map[string]bool{"go f()": true, "var wg sync.WaitGroup; wg.Go(f)": true, "time.AfterFunc(1, f)": true,
		"t.Parallel()": true, "sync.OnceValue(f)": false, "defer f()": false} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", fmt.Sprintf("package x\nfunc g() {\n%s\n}\n", line), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := beside(map[string]*ast.File{"x.go": file}) != nil; got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}
