// Package dashboards holds what a fleet's Prometheus, Alertmanager and Grafana
// take as it is: dashboards, recording and alert rules, and examples of their
// configuration. It writes them into a folder and knows nothing else: it
// imports nothing of kerbagent.
package dashboards

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/renameio/v2"
)

//go:embed grafana rules examples
var files embed.FS

// Files are the files of this version: grafana/*.json, rules/*.yaml and examples/.
func Files() fs.FS { return files }

// docs is where the pages are that alerts and dashboards link to.
const docs = "https://github.com/kerbagent/kerbagent/blob/main/docs/"

// linked returns a file whose links lead to base/codes/CODE, as kerbagent run serves
// them; base/codes/alerts has what is said of the alerts about kerbagent itself.
func linked(file []byte, base string) []byte {
	if base == "" {
		return file
	}
	base = strings.TrimRight(base, "/") + "/codes/"
	page := regexp.MustCompile(regexp.QuoteMeta(docs+"codes/") + `([^"'\n]+?)\.md`)
	file = page.ReplaceAll(file, []byte(strings.ReplaceAll(base, "$", "$$")+"${1}"))
	return bytes.ReplaceAll(file, []byte(docs+"dashboards.md"), []byte(base+"alerts"))
}

// ChangedError names files that are there with other content than this
// version's: somebody changed them, or another version wrote them.
type ChangedError struct {
	Files []string // paths, in lexical order
}

// Error names the files.
func (e *ChangedError) Error() string {
	return "these files are there and differ from what would be written: " + strings.Join(e.Files, ", ")
}

// Export writes the files below dir, which is made where it is missing, and
// returns the paths of those that it wrote; files that are there already with
// the same content stay as they are. Unless force is set it writes nothing
// where one differs, and the error is a *ChangedError. Links to the pages of findings
// go to runbooks, a URL such as that of a kerbagent run, where it is not empty.
func Export(dir string, force bool, runbooks string) (written []string, err error) {
	content := map[string][]byte{}
	var todo, changed []string
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		want, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		want = linked(want, runbooks)
		have, err := os.ReadFile(path)
		switch {
		case err == nil && bytes.Equal(have, want):
			return nil
		case err == nil:
			changed = append(changed, path)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		content[path] = want
		todo = append(todo, path)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking at what is there: %w", err)
	}
	if len(changed) > 0 && !force {
		return nil, &ChangedError{Files: changed}
	}
	for _, path := range todo {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return written, err
		}
		// Prometheus and Grafana read these folders while we write.
		if err := renameio.WriteFile(path, content[path], 0o644); err != nil {
			return written, fmt.Errorf("writing: %w", err)
		}
		written = append(written, path)
	}
	return written, nil
}
