package dashboards_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/dashboards"
	pages "github.com/kerbagent/kerbagent/docs"
)

// With a base for runbooks no link to a page leads away from it, and each leads to a
// page that kerbagent run serves.
func TestRunbookBase(t *testing.T) {
	dir := t.TempDir()
	written, err := dashboards.Export(dir, false, "http://agent.test:10088/")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`http://agent\.test:10088/codes/([^"'#\s]+)`)
	links := 0
	for _, path := range written {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("/blob/main/docs/")) {
			t.Errorf("%s links to the project's pages", filepath.Base(path))
		}
		for _, m := range link.FindAllSubmatch(b, -1) {
			links++
			name := string(m[1])
			if strings.ContainsAny(name, "{$") { // the code that is found
				continue
			}
			if _, ok := pages.Page(name); !ok {
				t.Errorf("%s: there is no page %s", filepath.Base(path), name)
			}
		}
	}
	if links < 20 {
		t.Errorf("%d links", links)
	}
	if again, err := dashboards.Export(dir, false, "http://agent.test:10088/"); err != nil || len(again) > 0 {
		t.Errorf("a second time wrote %v (%v)", again, err)
	}
}
