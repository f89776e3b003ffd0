package layers

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guide is CONTRIBUTING.md, held against the tree.
type guide struct {
	text    string
	folders map[string]folder          // by path
	names   map[string]map[string]bool // of each folder: what is declared there, methods too
	files   map[string]map[string]bool // of each file, by its path: what is declared there
}

func readGuide(t *testing.T) guide {
	t.Helper()
	g := guide{folders: map[string]folder{}, names: map[string]map[string]bool{}, files: map[string]map[string]bool{}}
	for _, f := range tree(t, "") {
		g.folders[f.path()], g.names[f.path()] = f, map[string]bool{}
		for name, file := range files(t, f) {
			at := path.Join(f.path(), name)
			g.files[at] = map[string]bool{}
			for n := range declaredIn(file) {
				g.names[f.path()][n], g.files[at][n] = true, true
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(g.folders["internal/layers"].Dir, "../../CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	g.text = string(text)
	return g
}

// declaredIn lists a file's top-level functions, types and methods.
func declaredIn(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[d.Name.Name] = true
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if s, ok := s.(*ast.TypeSpec); ok {
					names[s.Name.Name] = true
				}
			}
		}
	}
	return names
}

// folderOf finds a package by the end of its path.
func (g guide) folderOf(name string) string {
	for p := range g.folders {
		if p == name || strings.HasSuffix(p, "/"+name) {
			return p
		}
	}
	return ""
}

// room returns the package that a stop of a walk is in, "" where there is no such
// thing: a package, a package's name of something, or a file.
func (g guide) room(stop string) string {
	if strings.HasSuffix(stop, ".go") {
		for at := range g.files {
			if at == stop || strings.HasSuffix(at, "/"+stop) {
				return path.Dir(at)
			}
		}
		return ""
	}
	if in := g.folderOf(stop); in != "" {
		return in
	}
	pkg, name, _ := strings.Cut(stop, ".")
	if in := g.folderOf(pkg); g.names[in][name] {
		return in
	}
	return ""
}

// wrongWalk names the stops that are not there, and the rooms that are entered a second time.
func (g guide) wrongWalk(walk string) (wrong []string) {
	var been []string
	for stop := range strings.SplitSeq(walk, "→") {
		in := g.room(strings.TrimSpace(stop))
		switch {
		case in == "":
			wrong = append(wrong, "there is no"+strings.TrimRight(stop, " "))
		case len(been) > 0 && been[len(been)-1] == in:
		case slices.Contains(been, in):
			wrong = append(wrong, in+" is entered a second time")
		default:
			been = append(been, in)
		}
	}
	return wrong
}

// The walks of CONTRIBUTING.md are true, and enter each package once.
func TestWalks(t *testing.T) {
	g := readGuide(t)
	walks := regexp.MustCompile(`(?m)^    (a \S+(?: \S+)*?) {2,}(.*→.*)$`).FindAllStringSubmatch(g.text, -1)
	if len(walks) != 4 {
		t.Fatalf("%d walks, not 4", len(walks))
	}
	for _, w := range walks {
		for _, wrong := range g.wrongWalk(w[2]) {
			t.Errorf("%s: %s", w[1], wrong)
		}
	}
	for _, walk := range []string{"config.Login → plan.aboutNothing", "config.Login → internal/plan → config.Database"} {
		if g.wrongWalk(walk) == nil {
			t.Errorf("nothing is wrong with %s", walk)
		}
	}
}

// Each question of CONTRIBUTING.md is answered by two files at most, which have what is named.
func TestQuestions(t *testing.T) {
	g := readGuide(t)
	questions := regexp.MustCompile(`(?m)^\| ([^|]*\?) \| (.*) \|$`).FindAllStringSubmatch(g.text, -1)
	if len(questions) < 6 {
		t.Errorf("%d questions, not 6", len(questions))
	}
	for _, q := range questions {
		answers := regexp.MustCompile("`([^` ]+\\.go)`: `([^`]+)`").FindAllStringSubmatch(q[2], -1)
		if len(answers) == 0 || len(answers) > 2 {
			t.Errorf("%s: %d files", q[1], len(answers))
		}
		for _, a := range answers {
			if !g.files[a[1]][a[2]] {
				t.Errorf("%s: %s declares no %s", q[1], a[1], a[2])
			}
		}
	}
}
