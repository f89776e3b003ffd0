//go:build linux

package audit

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Systemctl asks systemd for the settings of a unit that decide what its
// processes see. It changes nothing.
func Systemctl(ctx context.Context, unit string) (map[string]string, error) {
	if !unitName(unit) {
		return nil, fmt.Errorf("%q is not the name of a unit", unit)
	}
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--no-pager",
		"--property=User,PrivateTmp,ProtectSystem,LoadCredential,BindPaths,BindReadOnlyPaths,Environment", "--", unit).Output()
	if err != nil {
		return nil, fmt.Errorf("asking systemctl: %w", err)
	}
	properties := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), "=")
		properties[name] = value
	}
	return properties, nil
}

// environment splits systemd's list of assignments, of which some stand in
// double quotes; only the variables that decide a login are kept.
func environment(list string) map[string]string {
	out := map[string]string{}
	for len(list) > 0 {
		var word string
		list = strings.TrimLeft(list, " ")
		if rest, quoted := strings.CutPrefix(list, `"`); quoted {
			word, list, _ = strings.Cut(rest, `"`)
		} else {
			word, list, _ = strings.Cut(list, " ")
		}
		name, value, ok := strings.Cut(word, "=")
		for _, v := range variables() {
			if ok && v == name {
				out[name] = value
			}
		}
	}
	return out
}
