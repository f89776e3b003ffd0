package lint

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
)

// FuzzLint passes any text to all readers and to Lint: they have to return,
// with a cause and a remedy for each issue.
func FuzzLint(f *testing.F) {
	for _, name := range trapNames(f) {
		for _, text := range trapFiles(f, name, "/etc") {
			f.Add(text, "[libdefaults]\n")
		}
	}
	f.Add("include /etc/other\n[realms]\n A = {\n", "include /etc/krb5.conf\n")
	f.Add("includedir /etc\n", "module x\n")
	f.Fuzz(func(t *testing.T, text, other string) {
		set := conf.Load(conf.Texts{Files: map[string]string{soundPath: text, "/etc/other": other}}, soundPath)
		for _, i := range Issues(Input{Set: set, Path: soundPath, Site: trapSite(), Want: other, Style: site.Block}) {
			if i.Code == "" || i.Cause == "" || i.Remedy == "" || i.Severity == "" {
				t.Errorf("%+v", i)
			}
			if strings.ContainsAny(i.Excerpt, "\n\x1b") {
				t.Errorf("excerpt %q", i.Excerpt)
			}
		}
	})
}

// TestLintOfTheLargestFiles makes files of 1 MiB of which something is many:
// nothing may take more than its share of CPU time, which other programs on the
// machine do not add to. The race detector makes lint ten
// times as slow, so a quarter of that size is enough with it.
func TestLintOfTheLargestFiles(t *testing.T) {
	largest := conf.MaxFileSize - 100
	if underRace {
		largest /= 4
	}
	for name, line := range map[string]string{
		"mappings":  "[domain_realm]\n%.test = A.TEST\n",
		"realms":    "[realms]\n%.TEST = {\nkdc = a\n}\n",
		"KDCs":      "[realms]\nA.TEST = {\nkdc = %\n}\n",
		"sections":  "[%]\na = b\n",
		"includes":  "include /%\n",
		"one value": "[libdefaults]\ndefault_realm = %\n",
		"braces":    "[realms]\nA% = {\n",
		"comments":  "[libdefaults]\n# %\n",
		"quotes":    "[libdefaults]\ndefault_realm = \"%\" \" \" \"\n",
		"flat":      "[realms]\n% = x\n",
		"nothing":   "a = b\n",
		"typos":     "[libdefaults]\ntickt_lifetime = %\n",
		"templates": "[realms]\n{{ % }} = x\n",
		"bad KDCs":  "[realms]\n%.TEST = {\nkdc = fd00::1\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			head, body := "", line
			if i := strings.Index(line, "]\n"); i > 0 && !strings.Contains(line[:i], "%") {
				head, body = line[:i+2], line[i+2:]
			}
			fill := func(size int) string {
				b.Reset()
				b.WriteString(head)
				for n := 0; b.Len() < size; n++ {
					b.WriteString(strings.ReplaceAll(body, "%", strings.Repeat("x", n%7)+string(rune('a'+n%26))+string(rune('a'+n/26%26))+string(rune('a'+n/676%26))+string(rune('a'+n/17576))))
				}
				return b.String()
			}
			quarter, whole := fill(largest/4), fill(largest)
			began := cpu(t)
			lintText(quarter, nil)
			unit := cpu(t) - began
			start := cpu(t)
			issues := lintText(whole, nil)
			took := cpu(t) - start
			size := 0
			for _, i := range issues {
				size += len(i.Cause) + len(i.Excerpt) + len(i.Remedy)
			}
			if len(issues) > 100 || size > 100<<10 {
				t.Errorf("%d issues with %d bytes of text", len(issues), size)
			}
			// Four times the text may take four times as long, and not sixteen times.
			if took > 10*unit+time.Second || took > 10*time.Second && !underRace {
				t.Errorf("took %v, a quarter of it %v", took, unit)
			}
		})
	}
}

// cpu returns the CPU time that this process has taken so far.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
