package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Application is a program on this host whose next login is watched: it is
// audited from outside, nothing of it is touched.
type Application struct {
	Unit     string // its systemd service, "orders.service"
	Database string // name of a configured database
	User     string // user@REALM whom it logs in as; empty where it is not said
}

// Units lists the systemd services of the configured applications.
func (c *Config) Units() []string {
	out := make([]string, len(c.Applications))
	for i, a := range c.Applications {
		out[i] = a.Unit
	}
	return out
}

func applicationKeys() []string { return []string{"unit", "database", "user"} }

// applications reads the programs that are watched.
func (d *document) applications(v value, c *Config) []Application {
	var out []Application
	for _, item := range v.items("{unit: orders.service, database: orders}") {
		f := item.fields(applicationKeys()...)
		if !mapping(item) {
			continue
		}
		var a Application
		if !f["unit"].set() {
			item.problem("has no unit; write unit: NAME.service")
			continue
		}
		a.Unit, _ = read(f["unit"], parseUnit)
		a.Database = d.loginDatabase(f["database"], item, c.Databases)
		if f["user"].set() {
			name, realm := d.user(f["user"], item, c.Realms)
			a.User = name + "@" + realm
		}
		if slices.ContainsFunc(out, func(o Application) bool { return a.Unit != "" && o.Unit == a.Unit }) {
			item.problem("%s is listed twice; remove one of them", a.Unit)
			continue
		}
		out = append(out, a)
	}
	return out
}

// parseUnit takes the name of a systemd service (systemd.unit(5)).
func parseUnit(s string) (string, error) {
	if !strings.Contains(s, ".") {
		s += ".service"
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9:_][a-zA-Z0-9:_.@-]{0,246}\.service$`).MatchString(s) {
		return "", fmt.Errorf("%q is not the name of a systemd service, such as orders.service", s)
	}
	return s, nil
}
