//go:build systemd

package systemd

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"go.yaml.in/yaml/v3"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
	"github.com/kerbagent/kerbagent/internal/bootstrap/mysqlfront"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// The accounts of this test: the user that bootstrap creates in place of the examples'
// alice, whom the lab's directory has already, and the cluster's primary user.
const (
	madeUser        = "kerb.host"
	primaryUser     = "host_primary"
	primaryPassword = "Primary-Secret-4711"
	accessKey       = "AKIAHOST"
	secretKey       = "the secret key of the instance"
)

// The examples of provisioning, run by a booted host as their tools run them, with the
// real program. AWS is the fake; directory, database and login are the lab's. The hosts
// are one container, which is emptied between two of them.
func TestBootstrapExamples(t *testing.T) {
	labtest.Up(t)
	a := newAccount(t)

	t.Run("a further host comes first", func(t *testing.T) {
		h := a.newHost(t)
		h.put("etc/kerbagent/kerbagent.yaml", a.file, 0o644)
		// A package that starts the unit at once finds a file with nothing to watch yet.
		if out, ok := h.try("systemctl start kerbagent.service"); ok {
			t.Errorf("the daemon starts with nothing to do: %s", out)
		}
		out, code := h.provision("kerbagent", "bootstrap", "client")
		if code != 1 || !strings.Contains(out, "waiting at ") {
			t.Errorf("exit %d: %s", code, out)
		}
		if n := len(a.cloud.Mutations()); n > 0 {
			t.Errorf("%d changes at AWS", n)
		}
	})

	t.Run("user data of Terraform, first host", func(t *testing.T) {
		h := a.newHost(t)
		h.provisioned(h.provision("sh", "-c", a.userData(t, true)))
		a.right(t)
	})

	t.Run("user data of Terraform, further host", func(t *testing.T) {
		a.newHost(t).changesNothing(func(h *site) {
			h.provisioned(h.provision("sh", "-c", a.userData(t, false)))
		})
	})

	t.Run("cloud-init, after the daemon had nothing to do", func(t *testing.T) {
		var init struct {
			WriteFiles []struct{ Path, Permissions, Encoding, Content string } `yaml:"write_files"`
			RunCmd     [][]string                                              `yaml:"runcmd"`
		}
		text := strings.ReplaceAll(a.example(t, "cloud-init.yaml"), "BASE64_OF_KERBAGENT_YAML", base64.StdEncoding.EncodeToString([]byte(a.file)))
		if err := yaml.Unmarshal([]byte(text), &init); err != nil {
			t.Fatal(err)
		}
		a.newHost(t).changesNothing(func(h *site) {
			for _, f := range init.WriteFiles {
				content, err := base64.StdEncoding.DecodeString(f.Content)
				if err != nil {
					t.Fatal(err)
				}
				h.put(f.Path, string(content), 0o644)
			}
			h.try("systemctl start kerbagent.service")
			for _, command := range init.RunCmd {
				h.provisioned(h.provision(command...))
			}
		})
	})

	t.Run("Ansible", func(t *testing.T) {
		a.newHost(t).changesNothing(func(h *site) {
			out, code := h.play(a)
			h.provisioned(out, code)
			pid := h.pid()
			if _, code := h.play(a); code != 0 || h.pid() != pid {
				t.Errorf("a second play ends with %d, and the daemon was %s and is %s", code, pid, h.pid())
			}
		})
	})
}

// account is AWS with what stands behind it, and the file that the hosts begin with.
type account struct {
	host  *host // with the program and the units
	cloud *awstest.Cloud
	front *mysqlfront.Front
	file  string
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{host: newHost(t), front: newFront(t)}
	hosts := a.host.read(filepath.Join(a.host.root, "etc/hosts"))
	t.Cleanup(func() { a.host.put("etc/hosts", hosts, 0o644) })
	a.host.put("etc/hosts", hosts+"\n127.0.0.1 "+labtest.Endpoint+"\n", 0o644)
	a.file = a.example(t, "kerbagent.yaml")
	a.cloud = awstest.New(awstest.Options{Now: time.Now, Slowest: time.Second, RoleDelay: time.Second, JoinTakes: time.Second,
		OnDirectoryActive: func(d awstest.Directory) []string {
			labtest.Run(t, "user", "delegated", "Admin", d.Password)
			labtest.Run(t, "user", "spread")
			return []string{labtest.DC1, labtest.DC2}
		},
		OnEndpoint: func(awstest.Endpoint) (string, int) { return labtest.Endpoint, a.front.Addr().Port },
	})
	a.cloud.AddVPC("vpc-0123456789abcdef0", "10.0.0.0/16")
	a.cloud.AddSubnet("subnet-0123456789abcdef0", "vpc-0123456789abcdef0", "10.0.1.0/24", "us-east-1a", "use1-az1")
	a.cloud.AddSubnet("subnet-0123456789abcdef1", "vpc-0123456789abcdef0", "10.0.2.0/24", "us-east-1b", "use1-az2")
	a.cloud.AddSecurityGroup("sg-00000001", "vpc-0123456789abcdef0", awstest.AllEgress())
	a.cloud.AddSubnetGroup("databases", "subnet-0123456789abcdef0", "subnet-0123456789abcdef1")
	a.cloud.AddCluster(awstest.Cluster{ID: "orders", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: primaryUser},
		"orders-1", "orders-2")
	a.cloud.AddSecret("orders", `{"username": "`+primaryUser+`", "password": "`+primaryPassword+`"}`)
	if err := a.cloud.AddUser("instance", accessKey, secretKey, awstest.Everything); err != nil {
		t.Fatal(err)
	}
	a.cloud.Start(t)

	clean := func() {
		labtest.Run(t, "user", "delete", madeUser)
		labtest.Run(t, "user", "spread")
		asRoot(t, "DROP USER IF EXISTS '"+madeUser+"'@'%', '"+primaryUser+"'@'%'")
	}
	clean()
	t.Cleanup(clean)
	asRoot(t, "CREATE USER '"+primaryUser+"'@'%' IDENTIFIED BY '"+primaryPassword+"'; GRANT ALL ON *.* TO '"+primaryUser+"'@'%' WITH GRANT OPTION")
	return a
}

// example returns one of the examples, with this test's user.
func (a *account) example(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "examples", "bootstrap", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "alice", madeUser)
}

// userData renders the template with HashiCorp's own parser.
func (a *account) userData(t *testing.T, first bool) string {
	t.Helper()
	e, problems := hclsyntax.ParseTemplate([]byte(a.example(t, "user-data.sh.tftpl")), "user-data.sh.tftpl", hcl.InitialPos)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	v, problems := e.Value(&hcl.EvalContext{Variables: map[string]cty.Value{"config": cty.StringVal(a.file), "first": cty.BoolVal(first)}})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return v.AsString()
}

// right holds the account and the directory to what the first host leaves.
func (a *account) right(t *testing.T) {
	t.Helper()
	if d, r := len(a.cloud.Directories()), len(a.cloud.Roles()); d != 1 || r != 1 {
		t.Errorf("%d directories, %d roles", d, r)
	}
	if k := a.cloud.Clusters(); len(k) != 1 || k[0].Member != "kerberos-enabled" {
		t.Errorf("clusters: %+v", k)
	}
	for _, i := range a.cloud.Instances() {
		if want := map[string]int{"orders-2": 1}[i.ID]; i.Reboots != want {
			t.Errorf("%s was rebooted %d times, want %d", i.ID, i.Reboots, want)
		}
	}
	if got := asRoot(t, "SELECT plugin, authentication_string FROM mysql.user WHERE User = '"+madeUser+"'"); strings.TrimSpace(got) != "gssapi\t"+madeUser+"@CORP.EXAMPLE.COM" {
		t.Errorf("MariaDB has %q", got)
	}
}

// site is a host without anything of kerbagent's but the program and the units.
type site struct {
	*host
	a *account
}

func (a *account) newHost(t *testing.T) *site {
	t.Helper()
	h := &site{a.host.in(t), a}
	h.sd("sh", "-c", `systemctl disable --now --quiet kerbagent.service
		rm -rf /etc/kerbagent /etc/krb5.conf /etc/systemd/system/kerbagent.service.d /var/lib/kerbagent /var/lib/kerbagent-bootstrap /var/lib/private/kerbagent
		systemctl reset-failed`)
	h.put("etc/systemd/system/kerbagent.service.d/test.conf", "[Service]\nEnvironment=FLAGS=--web.listen-address="+h.addr+"\n", 0o644)
	h.put("etc/kerbagent/global-bundle.pem", h.read(labtest.CA()), 0o644)
	h.sd("systemctl", "daemon-reload")
	return h
}

// environment is what an instance profile tells the SDK in other ways.
func (h *site) environment() []string {
	return []string{"HOME=/root", "AWS_ENDPOINT_URL=" + h.a.cloud.URL(), "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey}
}

// provision runs a command inside, without a terminal, for as long as AWS may take here.
func (h *site) provision(command ...string) (out string, code int) {
	h.t.Helper()
	return h.runs(exec.Command("../lab/lab.sh", slices.Concat([]string{"sd", "env"}, h.environment(), command)...))
}

func (h *site) runs(cmd *exec.Cmd) (out string, code int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 6*time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		h.t.Fatalf("%v\n%s", err, b)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// play has Debian's ansible run the playbook, by ssh's ways but without ssh, and as root:
// the container has no sudo.
func (h *site) play(a *account) (out string, code int) {
	h.t.Helper()
	dir := h.t.TempDir()
	lab, err := filepath.Abs("../lab/lab.sh")
	if err != nil {
		h.t.Fatal(err)
	}
	quoted := ""
	for _, e := range h.environment() {
		quoted += " '" + e + "'"
	}
	for name, text := range map[string]string{
		"ssh":            "#!/bin/sh\nfor last; do :; done\nexec " + lab + " sd env" + quoted + " /bin/sh -c \"$last\"\n",
		"hosts":          "[applications]\nsd ansible_ssh_executable=" + dir + "/ssh ansible_ssh_transfer_method=piped ansible_python_interpreter=/usr/bin/python3 ansible_become=false\n",
		"ansible.yaml":   a.example(h.t, "ansible.yaml"),
		"kerbagent.yaml": a.file,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			h.t.Fatal(err)
		}
	}
	return h.runs(exec.Command("env", "ANSIBLE_LOCALHOST_WARNING=false", "ANSIBLE_SSH_PIPELINING=true", "LC_ALL=C.UTF-8", "HOME="+dir,
		"ansible-playbook", "-i", filepath.Join(dir, "hosts"), filepath.Join(dir, "ansible.yaml")))
}

// provisioned holds a host to what every way of provisioning ends with.
func (h *site) provisioned(out string, code int) {
	h.t.Helper()
	if code != 0 {
		h.t.Fatalf("exit %d:\n%s", code, out)
	}
	if got := h.show("kerbagent.service", "ActiveState", "UnitFileState"); got != "active enabled" {
		h.t.Errorf("the daemon is %s", got)
	}
	h.metric(`kerbagent_login_success{database="orders",user="` + madeUser + `@CORP.EXAMPLE.COM"} 1`)
	const credential = "/etc/kerbagent/credentials/" + madeUser
	if got := strings.TrimSpace(h.sd("stat", "-c", "%a %U", credential)); got != "600 root" {
		h.t.Errorf("the credential is %s", got)
	}
	yaml := h.read(filepath.Join(h.root, "etc/kerbagent/kerbagent.yaml"))
	if !strings.HasPrefix(yaml, h.a.file) || !strings.Contains(yaml, `"credential:`+madeUser+`"`) {
		h.t.Errorf("kerbagent.yaml:\n%s", yaml)
	}
	if out := h.sd("sh", "-c", "kerbagent krb5conf lint 2>&1"); strings.Contains(out, "error") {
		h.t.Error(out)
	}
	journal := h.sd("journalctl", "--boot", "--no-pager", "--output=cat")
	for _, s := range h.a.cloud.Secrets() {
		if value := s.Values[s.Current]; strings.Contains(out+journal+yaml, value) {
			h.t.Errorf("the secret %s is in the output, in the journal or in kerbagent.yaml", s.Name)
		}
	}
}

// changesNothing runs something that must leave AWS and the database as they are. The
// lock, which the first play of Ansible takes, is no change.
func (h *site) changesNothing(do func(*site)) {
	h.t.Helper()
	calls, statements := len(h.a.cloud.Mutations()), len(h.a.front.Statements())
	do(h)
	for _, c := range h.a.cloud.Mutations()[calls:] {
		if !strings.Contains(string(c.Request), "kerbagent/bootstrap-lock") {
			h.t.Errorf("it made %s", c.Action)
		}
	}
	if more := h.a.front.Statements()[statements:]; len(more) > 0 {
		h.t.Errorf("the database was changed by %q", more)
	}
}

func newFront(t *testing.T) *mysqlfront.Front {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(labtest.State("db", "tls", "srv.pem"), labtest.State("db", "tls", "srv.key"))
	if err != nil {
		t.Fatal(err)
	}
	front, err := mysqlfront.New(certificate, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", labtest.Database+":3306")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := front.Close(); err != nil {
			t.Log(fmt.Errorf("the front of the database: %w", err))
		}
	})
	return front
}

// asRoot runs statements on MariaDB itself.
func asRoot(t *testing.T, statements string) string {
	t.Helper()
	cmd := exec.Command("mariadb", "--no-defaults", "-N", "-S", labtest.State("db", "run", "sock"), "-uroot")
	cmd.Stdin, cmd.Stderr = strings.NewReader(statements), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
