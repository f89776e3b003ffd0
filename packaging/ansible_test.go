//go:build release

package packaging

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const playbook = `- hosts: all
  roles:
    - role: kerbagent
      kerbagent_apt_url: file:///srv/apt
      kerbagent_key: %KEY%
      kerbagent_secrets: {probe: "Pässw0rd-of-the-test %"}
      kerbagent_config:
        realms: {CORP.EXAMPLE.COM: {kind: active-directory}}
        databases:
          orders: {endpoint: orders.example.com, realm: CORP.EXAMPLE.COM}
        logins:
          - {user: probe@CORP.EXAMPLE.COM, database: orders, password_file: "credential:probe"}
        probes: {interval: 10s, timeout: 2s}
`

// testAnsible has Debian's ansible run the role on the booted container, twice:
// the second time changes nothing.
func testAnsible(t *testing.T, dir string) {
	run(t, "../lab/lab.sh", "extra", "systemd")
	root, here := labState("sd", "root"), t.TempDir()
	clean := func() {
		sd(t, "dpkg --purge kerbagent; rm -rf /etc/kerbagent /etc/systemd/system/kerbagent.service.d /srv/apt /etc/apt/sources.list.d/kerbagent.list /etc/apt/keyrings/kerbagent.asc /var/lib/apt/lists/_srv_apt*; systemctl daemon-reload")
	}
	clean() // of a run that was interrupted
	t.Cleanup(clean)
	run(t, "rm", "-rf", filepath.Join(root, "srv/apt"))
	run(t, "cp", "-a", filepath.Join(dir, "apt"), filepath.Join(root, "srv"))

	lab, err := filepath.Abs("../lab/lab.sh")
	if err != nil {
		t.Fatal(err)
	}
	// ansible's own way by ssh, but for the program: what is to be run there is its last argument.
	write(t, filepath.Join(here, "ssh"), []byte("#!/bin/sh\nfor last; do :; done\nexec "+lab+" sd env HOME=/root /bin/sh -c \"$last\"\n"))
	if err := os.Chmod(filepath.Join(here, "ssh"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(here, "hosts"), []byte("sd ansible_ssh_executable="+here+"/ssh ansible_ssh_transfer_method=piped ansible_python_interpreter=/usr/bin/python3\n"))
	write(t, filepath.Join(here, "play.yml"), []byte(strings.ReplaceAll(playbook, "%KEY%", filepath.Join(dir, "kerbagent.asc"))))
	play := func() string {
		return run(t, "env", "ANSIBLE_ROLES_PATH=ansible/roles", "ANSIBLE_LOCALHOST_WARNING=false", "ANSIBLE_SSH_PIPELINING=true",
			"LC_ALL=C.UTF-8", "HOME="+here, "ansible-playbook", "--diff", "-i", filepath.Join(here, "hosts"), filepath.Join(here, "play.yml"))
	}
	changed := func(out string) string {
		m := regexp.MustCompile(`changed=(\d+) .*failed=0`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("no recap in\n%s", out)
		}
		return m[1]
	}

	// A host from an image that names the tree, and whose apt has no lists of it, or old ones.
	run(t, "mkdir", "-p", filepath.Join(root, "etc/apt/keyrings"))
	run(t, "cp", filepath.Join(dir, "kerbagent.asc"), filepath.Join(root, "etc/apt/keyrings"))
	write(t, filepath.Join(root, "etc/apt/sources.list.d/kerbagent.list"), []byte("deb [signed-by=/etc/apt/keyrings/kerbagent.asc] file:///srv/apt stable main\n"))
	do(t, "rm -f /var/lib/apt/lists/_srv_apt*")

	first := play()
	if changed(first) == "0" {
		t.Errorf("nothing was changed the first time:\n%s", first)
	}
	equal(t, "service", "enabled active", sd(t, "systemctl is-enabled kerbagent.service; systemctl is-active kerbagent.service"))
	equal(t, "secret, byte for byte", "600 root Pässw0rd-of-the-test %", sd(t, "stat -c '%a %U' /etc/kerbagent/secrets/probe; cat /etc/kerbagent/secrets/probe"))
	pid := sd(t, "systemctl show -P MainPID kerbagent.service")
	second := play()
	equal(t, "changed the second time", "0", changed(second))
	equal(t, "the daemon goes on", strings.TrimSpace(pid), sd(t, "systemctl show -P MainPID kerbagent.service"))
	if strings.Contains(first+second, "Pässw0rd") {
		t.Error("the secret is in the output")
	}
}
