package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// What was wrong with a krb5.conf is nobody's trouble once the configuration
// names none: its findings and notes stayed forever.
func TestRunReloadWithoutKrb5Conf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "krb5.conf")
	if err := os.WriteFile(file, []byte("[libdefaults]\n  default_realm = ELSEWHERE.TEST\n  default_tgs_enctypes = nosuch\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// The directory of the order file is not there: the file cannot be kept.
	r := start(t, "", func(o *Options, cfg *config.Config) {
		o.OrderFile = filepath.Join(t.TempDir(), "gone", "kdc-order")
		cfg.Krb5Conf = &config.Krb5Conf{Path: file, Mode: config.Krb5Maintain, Style: "file"}
	})
	r.untilReady()
	told := func() bool {
		return slices.ContainsFunc(r.codes(), func(c string) bool { return strings.HasPrefix(c, "krb5conf-") })
	}
	noted := func() bool {
		return slices.ContainsFunc(r.d.State().Notes, func(n string) bool { return strings.Contains(n, "krb5.conf") })
	}
	r.until("findings of the krb5.conf", told)
	r.until("a note of it", noted)
	const outOfSync = "kerbagent_krb5conf_in_sync 0"
	r.until("out of sync", func() bool { return strings.Contains(r.get("/metrics"), outOfSync) })
	reload := func(change func(*config.Config)) {
		t.Helper()
		r.mu.Lock()
		other := *r.cfg
		change(&other)
		r.cfg = &other
		r.mu.Unlock()
		if err := r.d.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	reload(func(cfg *config.Config) {
		cfg.Krb5Conf = &config.Krb5Conf{Path: file, Mode: config.Krb5Check, Style: "file"}
	})
	r.until("no note of what is not kept", func() bool { return !noted() })
	r.until("no metric of it", func() bool { return !strings.Contains(r.get("/metrics"), outOfSync) })
	if !told() {
		t.Error("the file that is looked at has no findings any more")
	}
	reload(func(cfg *config.Config) { cfg.Krb5Conf = nil })
	r.until("well", r.healthy)
	for _, e := range r.d.State().Entries {
		if e.Result.ID.Kind == probe.Krb5Conf {
			t.Errorf("%s stays", e.Result.ID)
		}
	}
}
