// Package docs holds the pages that `kerbagent run` serves: sites without a way out
// read them there.
package docs

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed codes/*.md dashboards.md
var pages embed.FS

// Page returns the page of a finding's code, or that of the alerts about kerbagent
// itself, which is named "alerts"; false where there is none.
func Page(name string) ([]byte, bool) {
	path := "codes/" + name + ".md"
	if name == "alerts" {
		path = "dashboards.md"
	}
	if strings.ContainsAny(name, "/\\") {
		return nil, false
	}
	b, err := fs.ReadFile(pages, path)
	return b, err == nil
}
