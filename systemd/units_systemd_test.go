//go:build systemd

// Package systemd has the units, and here their test: started by a real systemd
// (lab.sh extra systemd) on the lab's client host, and the examples of provisioning.
// It imports nothing of kerbagent but lab/labtest and what stands in for AWS.
package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
)

const user = "alice@CORP.EXAMPLE.COM"

// The subtests are one service's life, in this order.
func TestUnits(t *testing.T) {
	labtest.Up(t)
	h := newHost(t)

	t.Run("exposure", func(t *testing.T) {
		h := h.in(t)
		for _, unit := range []string{"kerbagent.service", "kerbagent-krb5conf.service", "kerbagent-audit.service"} {
			h.sd("systemd-analyze", "security", "--no-pager", "--threshold="+map[bool]string{true: "20", false: "15"}[unit == "kerbagent-audit.service"], unit) // tenths; an error when it is above
		}
		if out := h.sd("systemd-analyze", "verify", "--man=no", "kerbagent.service", "kerbagent-krb5conf.service", "kerbagent-krb5conf.path", "kerbagent-audit.service", "kerbagent-audit.timer", "kerbagent.socket"); out != "" {
			t.Error(out)
		}
	})

	// What DNS or a flood of connections makes of kerbagent ends with kerbagent.
	t.Run("bounded", func(t *testing.T) {
		h := h.in(t)
		for unit, want := range map[string]string{"kerbagent.service": "536870912 128", "kerbagent-audit.service": "268435456 64"} {
			if got := h.show(unit, "MemoryMax", "TasksMax"); got != want {
				t.Errorf("%s: %s", unit, got)
			}
		}
	})

	t.Run("no configuration, no service", func(t *testing.T) {
		h := h.in(t)
		h.sd("systemctl", "start", "kerbagent.service", "kerbagent-krb5conf.path")
		for _, unit := range []string{"kerbagent.service", "kerbagent-krb5conf.path"} {
			if got := h.show(unit, "ActiveState", "ConditionResult"); got != "inactive no" {
				t.Errorf("%s: %s", unit, got)
			}
		}
	})

	t.Run("a bad configuration is not tried again", func(t *testing.T) {
		h := h.in(t)
		h.configure("realms: nonsense\n")
		if out, ok := h.try("systemctl start kerbagent.service"); ok {
			t.Errorf("it starts: %s", out)
		}
		// It would be "activating" between two tries.
		if got := h.show("kerbagent.service", "ActiveState", "ExecMainStatus", "NRestarts"); got != "failed 3 0" {
			t.Error(got)
		}
		h.sd("systemctl", "reset-failed", "kerbagent.service")
	})

	t.Run("ready when the first round is over", func(t *testing.T) {
		h := h.in(t)
		h.configure(h.yaml("orders"))
		h.sd("systemctl", "start", "kerbagent-krb5conf.path", "kerbagent.service")
		if code, body := h.get("/-/ready"); code != 200 {
			t.Errorf("systemctl start came back, and /-/ready says %d: %s", code, body)
		}
		if got := h.show("kerbagent.service", "ActiveState", "StatusText"); !strings.HasPrefix(got, "active ") || !strings.Contains(got, user+" logs in to orders") {
			t.Error(got)
		}
	})

	t.Run("a user of its own, without rights, with root's secret", func(t *testing.T) {
		h := h.in(t)
		status := h.sd("cat", "/proc/"+h.pid()+"/status")
		for _, want := range []string{`CapPrm:\t0+\n`, `CapBnd:\t0+\n`, `CapAmb:\t0+\n`, `NoNewPrivs:\t1\n`, `Seccomp:\t2\n`} {
			if !regexp.MustCompile(want).MatchString(status) {
				t.Errorf("not %s: %s", want, status)
			}
		}
		if uid := regexp.MustCompile(`Uid:\t(\d+)`).FindStringSubmatch(status); uid == nil || uid[1] == "0" {
			t.Errorf("user %v", uid)
		}
		// With the password of a file that only root may read.
		h.metric(`kerbagent_login_success{database="orders",user="` + user + `"} 1`)
	})

	t.Run("a check by root uses the same record", func(t *testing.T) {
		h := h.in(t)
		if out, ok := h.try("CREDENTIALS_DIRECTORY=/run/credentials/kerbagent.service kerbagent check"); !ok {
			t.Error(out)
		}
		if out := h.sd("find", "/var/lib/kerbagent/", "-user", "root"); out != "" {
			t.Errorf("the daemon may not write any more:\n%s", out)
		}
	})

	t.Run("reload", func(t *testing.T) {
		h := h.in(t)
		pid := h.pid()
		h.configure(h.yaml("invoices"))
		h.sd("systemctl", "reload", "kerbagent.service")
		h.eventually(20*time.Second, "the new configuration is used", func() bool {
			return strings.Contains(h.show("kerbagent.service", "StatusText"), "logs in to invoices")
		})
		h.configure("realms: nonsense\n")
		if out, ok := h.try("systemctl reload kerbagent.service"); ok {
			t.Errorf("a bad file is no error: %s", out)
		}
		h.metric("kerbagent_config_last_reload_successful 1") // the daemon has not seen it
		h.sd("systemctl", "kill", "--signal=HUP", "--kill-who=main", "kerbagent.service")
		h.metric("kerbagent_config_last_reload_successful 0")
		h.metric(`kerbagent_login_success{database="invoices",user="` + user + `"} 1`)
		h.configure(h.yaml("orders"))
		h.sd("systemctl", "reload", "kerbagent.service")
		h.metric("kerbagent_config_last_reload_successful 1")
		if got := h.show("kerbagent.service", "ActiveState", "MainPID"); got != "active "+pid {
			t.Errorf("%s, was %s", got, pid)
		}
	})

	t.Run("the krb5.conf follows the KDCs", func(t *testing.T) {
		h := h.in(t)
		h.eventually(20*time.Second, "the krb5.conf is written", func() bool { return len(h.kdcs()) == 2 })
		was := h.kdcs()
		labtest.Fault(t, "fault", "rst", "tcp", "88", strings.Split(was[0], ".")[0])
		h.eventually(30*time.Second, "the dead KDC is the last one", func() bool {
			now := h.kdcs()
			return len(now) == 2 && now[0] == was[1] && now[1] == was[0]
		})
		if got := h.show("kerbagent-krb5conf.service", "Result"); got != "success" {
			t.Error(got)
		}
	})

	t.Run("no other text gets into the krb5.conf", func(t *testing.T) {
		h := h.in(t)
		was := h.krb5conf()
		// As whoever has taken over the daemon would.
		h.sd("sh", "-c", `cd /run/kerbagent && sed s/dc1/evil/ kdc-order > .forged && chown --reference=. .forged && mv .forged kdc-order`)
		h.eventually(10*time.Second, "the one-shot refuses", func() bool {
			return h.show("kerbagent-krb5conf.service", "ActiveState", "Result") == "failed exit-code"
		})
		if now := h.krb5conf(); now != was {
			t.Errorf("the krb5.conf was changed:\n%s", now)
		}
		if got := h.show("kerbagent-krb5conf.path", "ActiveState"); got != "active" {
			t.Errorf("nobody waits for the next order: %s", got)
		}
	})

	t.Run("watchdog", func(t *testing.T) {
		h := h.in(t)
		pid := h.pid()
		h.sd("kill", "-STOP", pid)
		h.eventually(30*time.Second, "it is started again", func() bool {
			return h.show("kerbagent.service", "ActiveState", "NRestarts") == "active 1"
		})
		if now := h.pid(); now == pid {
			t.Errorf("process %s still", now)
		}
		if out := h.sd("journalctl", "--boot", "--no-pager", "--unit=kerbagent.service", "--output=cat"); !strings.Contains(out, "Watchdog timeout") {
			t.Error(out)
		}
	})

	t.Run("stop", func(t *testing.T) {
		h := h.in(t)
		for _, where := range []string{"dc1", "dc2", "db"} {
			labtest.Fault(t, "fault", "drop", "any", "any", where)
		}
		h.eventually(20*time.Second, "questions hang", func() bool { return strings.HasPrefix(h.show("kerbagent.service", "StatusText"), "FAILED") })
		begin := time.Now()
		h.sd("systemctl", "stop", "kerbagent.service")
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if got := h.show("kerbagent.service", "Result", "ExecMainStatus"); got != "success 0" {
			t.Error(got)
		}
		if out, ok := h.try("ls /run/kerbagent"); ok {
			t.Errorf("it leaves %s", out)
		}
		h.sd("test", "-s", "/var/lib/private/kerbagent/host.key") // the record stays
	})
}

func (h *host) yaml(database string) string {
	return fmt.Sprintf(`realms:
  CORP.EXAMPLE.COM:
    kind: active-directory
    dns_servers: [%s, %s]
    kdcs: [dc1.corp.example.com, dc2.corp.example.com]
databases:
  %s: {endpoint: "%s:3306", realm: CORP.EXAMPLE.COM, tls: {ca_file: ca.pem}}
logins:
  - {user: %s, database: %[3]s, password_file: "credential:secret"}
krb5_conf: {path: /etc/krb5.conf, mode: maintain}
probes: {interval: 2s, timeout: 1s}
`, labtest.DC1, labtest.DC2, database, labtest.Endpoint, user)
}

// kdcs are those of the krb5.conf, in its order, once kerbagent has written it.
func (h *host) kdcs() (names []string) {
	text := h.krb5conf()
	if !strings.HasPrefix(text, "# Generated by kerbagent") {
		return nil
	}
	for _, m := range regexp.MustCompile(`(?m)^\s+kdc = (\S+)$`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

func (h *host) krb5conf() string {
	b, err := os.ReadFile(filepath.Join(h.root, "etc/krb5.conf"))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}
