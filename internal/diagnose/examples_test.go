package diagnose

import (
	"regexp"
	"testing"
)

// An example without its values is a riddle: "<kdcseen> Realms on the way: <hops>."
func TestEveryFindingHasAWholeExample(t *testing.T) {
	open := regexp.MustCompile(`<[a-z0-9]+>`)
	for _, r := range Catalogue() {
		title, cause := r.Example()
		for _, text := range []string{title, cause} {
			if open.MatchString(text) {
				t.Errorf("%s: the example lacks a value: %s", r.Code, text)
			}
		}
		if r.Severity != Info && len(title) > 160 {
			t.Errorf("%s: the title is %d bytes long: %s", r.Code, len(title), title)
		}
	}
}
