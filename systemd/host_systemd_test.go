//go:build systemd

package systemd

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
)

// host is the container with a systemd, in the client host's network.
type host struct {
	t    *testing.T
	root string // the container's /
	addr string // the daemon's
}

// in is the host of a subtest.
func (h *host) in(t *testing.T) *host { return &host{t, h.root, h.addr} }

// newHost puts the program and the units there, and takes all away at the end.
func newHost(t *testing.T) *host {
	t.Helper()
	labtest.Run(t, "extra", "systemd")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t, labtest.State("sd", "root"), l.Addr().String()}
	l.Close()

	before := h.krb5conf()
	h.clean()
	t.Cleanup(func() {
		h.clean()
		h.put("etc/krb5.conf", before, 0o644)
	})

	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(h.root, "usr/bin/kerbagent"), "../cmd/kerbagent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as packaging/build.sh; the container may have another libc
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, unit := range []string{"kerbagent.service", "kerbagent-krb5conf.service", "kerbagent-krb5conf.path", "kerbagent-audit.service", "kerbagent-audit.timer", "kerbagent.socket"} {
		h.put("etc/systemd/system/"+unit, h.read(unit), 0o644)
	}
	h.put("etc/systemd/system/kerbagent.service.d/test.conf", "[Service]\nLoadCredential=secret:/etc/kerbagent/secret\n"+
		"Environment=FLAGS=--web.listen-address="+h.addr+"\nWatchdogSec=2\nRestartSec=100ms\n", 0o644)
	h.put("etc/kerbagent/secret", h.read(labtest.Secret("user")), 0o600)
	h.put("etc/kerbagent/ca.pem", h.read(labtest.CA()), 0o644)
	h.sd("systemctl", "daemon-reload")
	return h
}

func (h *host) clean() {
	h.try(`systemctl stop kerbagent-krb5conf.path kerbagent-krb5conf.service kerbagent.service
		rm -rf /usr/bin/kerbagent /etc/systemd/system/kerbagent* /etc/kerbagent /var/lib/kerbagent /var/lib/kerbagent-bootstrap /var/lib/private/kerbagent /etc/.krb5.conf.kerbagent-*
		systemctl daemon-reload; systemctl reset-failed`)
}

func (h *host) configure(yaml string) { h.put("etc/kerbagent/kerbagent.yaml", yaml, 0o644) }

func (h *host) read(path string) string {
	h.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

func (h *host) put(path, text string, mode os.FileMode) {
	h.t.Helper()
	path = filepath.Join(h.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
}

// sd runs a command inside, which has to do well.
func (h *host) sd(args ...string) string {
	h.t.Helper()
	return labtest.Run(h.t, append([]string{"sd"}, args...)...)
}

// try runs a shell command that need not.
func (h *host) try(command string) (out string, ok bool) {
	h.t.Helper()
	out, failed := strings.CutSuffix(h.sd("sh", "-c", "( "+command+"\n) 2>&1 || echo FAILED"), "FAILED\n")
	return out, !failed
}

// show returns properties of a unit, in one line.
func (h *host) show(unit string, properties ...string) string {
	h.t.Helper()
	var values []string
	for _, p := range properties {
		values = append(values, strings.TrimSpace(h.sd("systemctl", "show", "--value", "--property="+p, unit)))
	}
	return strings.Join(values, " ")
}

func (h *host) pid() string {
	h.t.Helper()
	return h.show("kerbagent.service", "MainPID")
}

func (h *host) get(path string) (code int, body string) {
	res, err := http.Get("http://" + h.addr + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

// metric waits for a line of /metrics.
func (h *host) metric(line string) {
	h.t.Helper()
	h.eventually(20*time.Second, line, func() bool {
		_, body := h.get("/metrics")
		return strings.Contains("\n"+body, "\n"+line+"\n")
	})
}

func (h *host) eventually(within time.Duration, what string, ok func() bool) {
	h.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); !ok(); <-tick.C {
		if time.Now().After(end) {
			h.t.Fatal(fmt.Sprintf("not within %v: %s\n", within, what) + h.sd("sh", "-c",
				"systemctl status --no-pager --lines=30 kerbagent.service kerbagent-krb5conf.path kerbagent-krb5conf.service || :"))
		}
	}
}
