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
	"strings"

	"github.com/google/renameio/v2"
)

//go:embed grafana rules examples
var files embed.FS

// Files are the files of this version: grafana/*.json, rules/*.yaml and examples/.
func Files() fs.FS { return files }

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
// where one differs, and the error is a *ChangedError.
func Export(dir string, force bool) (written []string, err error) {
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
