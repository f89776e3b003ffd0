//go:build systemd

package systemd

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
)

// since returns the version of systemd that brought each setting of the units, where it is later than 235, which
// the units need (systemd's NEWS, "CHANGES WITH 236" and later).
func since() map[string]int {
	return map[string]int{"ProtectHostname": 242, "RestrictSUIDSGID": 242, "ProtectKernelLogs": 244, "ProtectClock": 245,
		"ProcSubset": 247, "ProtectProc": 247, "LoadCredential": 247}
}

// before236 are those that every systemd has which the units can be used with.
var before236 = regexp.MustCompile(`^(Description|Documentation|After|ConditionPathExists|StartLimitIntervalSec|WantedBy|Type|Environment|Exec\w+|Timeout\w+` +
	`|WatchdogSec|Restart\w*|LimitNOFILE|LimitCORE|MemoryMax|TasksMax|DynamicUser|(State|Runtime)Directory\w*|UMask|CapabilityBoundingSet|NoNewPrivileges` +
	`|KeyringMode|LockPersonality|MemoryDenyWriteExecute|Private(Devices|Tmp|Users|Network)|Protect(ControlGroups|Home|KernelModules|KernelTunables|System)` +
	`|RemoveIPC|RestrictAddressFamilies|RestrictNamespaces|RestrictRealtime|SystemCall(Architectures|Filter|ErrorNumber)|IPAddressDeny|ReadWritePaths` +
	`|PathChanged|On(Boot|UnitActive)Sec|RandomizedDelaySec|ListenStream|PartOf)$`)

// Each setting that an older systemd ignores stands in docs/platforms.md beside its version.
func TestDocsSaySinceWhenSettingsAre(t *testing.T) {
	h := &host{t: t}
	docs := h.read("../docs/platforms.md")
	units, err := filepath.Glob("kerbagent*")
	if err != nil || len(units) < 6 {
		t.Fatal(units, err)
	}
	settings := []string{"LoadCredential"} // of the drop-ins
	for _, unit := range units {
		for _, m := range regexp.MustCompile(`(?m)^(\w+)=`).FindAllStringSubmatch(h.read(unit), -1) {
			settings = append(settings, m[1])
		}
	}
	slices.Sort(settings)
	for _, name := range slices.Compact(settings) {
		version, later := since()[name]
		row := regexp.MustCompile(`(?m)^\| ` + strconv.Itoa(version) + " .*`" + name + "=`")
		switch {
		case later && !row.MatchString(docs):
			t.Errorf("platforms.md does not say that %s= needs systemd %d", name, version)
		case !later && !before236.MatchString(name):
			t.Errorf("since which systemd is there %s=?", name)
		}
	}
}

// What docs/platforms.md has in place of LoadCredential= is done word by word, with the unit that systemd 239
// (RHEL 8) makes of ours: a daemon that logs in, keeps its record and has the krb5.conf written.
func TestWithoutLoadCredential(t *testing.T) {
	labtest.Up(t)
	h := newHost(t)
	t.Cleanup(func() {
		h.try("systemctl stop kerbagent-krb5conf.path kerbagent.service; userdel kerbagent; rm -f /root/probe.pw")
	})
	for _, unit := range []string{"kerbagent.service", "kerbagent-krb5conf.service"} {
		var kept []string
		for line := range strings.Lines(h.read(unit)) {
			if name, _, _ := strings.Cut(line, "="); since()[name] <= 239 {
				kept = append(kept, line)
			}
		}
		h.put("etc/systemd/system/"+unit, strings.Join(kept, ""), 0o644)
	}
	h.put("etc/systemd/system/kerbagent.service.d/test.conf", "[Service]\nEnvironment=FLAGS=--web.listen-address="+h.addr+"\n", 0o644)
	h.sd("rm", "/etc/kerbagent/secret")
	h.put("root/probe.pw", h.read(labtest.Secret("user")), 0o600)

	_, text, _ := strings.Cut(h.read("../docs/platforms.md"), "Without `LoadCredential=`")
	var commands, dropIn []string
	for _, m := range regexp.MustCompile(`(?m)^    (.*)$`).FindAllStringSubmatch(text, -1) {
		switch {
		case len(dropIn) > 0 || strings.HasPrefix(m[1], "[Service]"):
			dropIn = append(dropIn, m[1])
		case !strings.HasPrefix(m[1], "#"):
			commands = append(commands, m[1])
		}
		if strings.HasPrefix(m[1], "User=") { // the block's end
			break
		}
	}
	h.sd("sh", "-ec", "cd /root\n"+strings.Join(commands, "\n"))
	h.put("etc/systemd/system/kerbagent.service.d/user.conf", strings.Join(dropIn, "\n")+"\n", 0o644)
	h.configure(strings.ReplaceAll(h.yaml("orders"), `"credential:secret"`, "/etc/kerbagent/probe.pw"))
	h.sd("systemctl", "daemon-reload")
	h.sd("systemctl", "start", "kerbagent-krb5conf.path", "kerbagent.service")

	h.metric(`kerbagent_login_success{database="orders",user="` + user + `"} 1`)
	if got := strings.TrimSpace(h.sd("stat", "-c", "%U", "/proc/"+h.pid())); got != "kerbagent" {
		t.Errorf("the daemon runs as %s", got)
	}
	if got := strings.TrimSpace(h.sd("stat", "-c", "%U %a", "/etc/kerbagent/probe.pw", "/var/lib/kerbagent/host.key")); got != "kerbagent 400\nkerbagent 600" {
		t.Errorf("owners and modes of the secret and of the record: %s", got)
	}
	h.eventually(20*time.Second, "the krb5.conf is written", func() bool { return len(h.kdcs()) == 2 })
}
