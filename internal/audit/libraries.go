//go:build linux

package audit

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

// Client is what speaks the MySQL protocol in a process.
type Client string

// The clients that an audit can tell.
const (
	LibMariaDB     Client = "libmariadb"
	LibMySQLClient Client = "libmysqlclient"
	JavaDriver     Client = "java"
	OurConnector   Client = "kerbagent connector"
)

// plugin is the library's half of the Kerberos login, without which it has no
// answer to the server's authentication switch; empty where none is loaded
// from a file.
func (c Client) plugin() string {
	switch c {
	case LibMariaDB:
		return "auth_gssapi_client.so"
	case LibMySQLClient:
		return "authentication_kerberos_client.so"
	}
	return ""
}

// libraries is what a process has loaded that decides a Kerberos login.
type libraries struct {
	mit, heimdal bool
	jvm          string // path of libjvm.so; empty for none
	client       Client
	clientPath   string
	plugins      []string // client plugins that are loaded, by name of the file
	gokrb5       bool
	kerbagent    bool // the process is kerbagent itself
}

// kerberos reports whether the process has anything to do with Kerberos.
func (l libraries) kerberos() bool { return l.mit || l.heimdal || l.jvm != "" || l.gokrb5 }

// libraries reads what is mapped, and for a Go program what is built in.
func (p *Process) libraries() (libraries, error) {
	maps, err := p.read("maps", maxMaps)
	if err != nil {
		return libraries{}, denied(err)
	}
	l := parseMaps(string(maps))
	if !l.kerberos() {
		p.builtIn(&l)
	}
	return l, nil
}

// parseMaps reads /proc/PID/maps (proc(5)). Heimdal's and MIT's libraries have
// one name and are told apart by their version: MIT's is 3, Heimdal's 26.
func parseMaps(text string) libraries {
	var l libraries
	for line := range strings.Lines(text) {
		i := strings.IndexByte(line, '/')
		if i < 0 {
			continue
		}
		file := strings.TrimSuffix(strings.TrimSpace(line[i:]), " (deleted)")
		name := path.Base(file)
		switch {
		case strings.HasPrefix(name, "libkrb5.so.26"), strings.HasPrefix(name, "libheimbase"), strings.HasPrefix(name, "libgssapi.so"):
			l.heimdal = true
		case strings.HasPrefix(name, "libkrb5.so"), strings.HasPrefix(name, "libgssapi_krb5.so"):
			l.mit = true
		case name == "libjvm.so":
			l.jvm = file
		case strings.HasPrefix(name, "libmariadb.so"):
			l.client, l.clientPath = LibMariaDB, file
		case strings.HasPrefix(name, "libmysqlclient.so"):
			l.client, l.clientPath = LibMySQLClient, file
		case name == LibMariaDB.plugin(), name == LibMySQLClient.plugin():
			if !slices.Contains(l.plugins, name) {
				l.plugins = append(l.plugins, name)
			}
		}
	}
	if l.jvm != "" && l.client == "" {
		l.client = JavaDriver
	}
	return l
}

const (
	gokrb5Module = "github.com/jcmturner/gokrb5/v8"
	ourModule    = "github.com/kerbagent/kerbagent"
)

// builtIn looks at a Go program's list of modules. That it is no Go program is
// no error.
func (p *Process) builtIn(l *libraries) {
	fd, err := unix.Openat(int(p.dir.Fd()), "exe", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), "exe")
	defer f.Close()
	info, err := buildinfo.Read(io.NewSectionReader(f, 0, 1<<40))
	if err != nil {
		return
	}
	l.kerbagent = info.Path == ourModule+"/cmd/kerbagent"
	for _, m := range info.Deps {
		switch m.Path {
		case gokrb5Module:
			l.gokrb5 = true
		case ourModule:
			l.client = OurConnector
		}
	}
}

// reader is the library whose krb5.conf counts, and whether that is only
// assumed: a program may load its library at the first login.
func (c *inspection) reader() (r reader.Reader, assumed bool) {
	native := c.p.option("sun.security.jgss.native") == "true" // Java then leaves Kerberos to the system's library
	switch l := c.libs; {
	case l.jvm != "" && !native:
		return reader.Java, false
	case l.mit:
		return reader.MIT, false
	case l.heimdal:
		return reader.Heimdal, false
	case l.gokrb5:
		return reader.Gokrb5, false
	}
	return reader.MIT, true
}

// ownAffair reports whether the program itself chooses cache, keytab or password:
// Go's libraries take what they are handed, and look for nothing.
func (c *inspection) ownAffair(r reader.Reader) bool {
	return r == reader.Gokrb5 || c.libs.client == OurConnector
}

// pluginFolders are where a client library looks for its plugins: the
// environment's folder, else the one it was built with, of which the folders
// of Debian's, Red Hat's, MariaDB's and MySQL's own packages are known.
func (c *inspection) pluginFolders() []string {
	lib := path.Dir(c.libs.clientPath)
	switch c.libs.client {
	case LibMariaDB:
		if dir := c.p.Env["MARIADB_PLUGIN_DIR"]; dir != "" {
			return []string{dir}
		}
		return []string{lib + "/libmariadb3/plugin", lib + "/mariadb/plugin", lib + "/plugin", "/usr/lib/mysql/plugin", "/usr/lib64/mysql/plugin"}
	case LibMySQLClient:
		if dir := c.p.Env["LIBMYSQL_PLUGIN_DIR"]; dir != "" {
			return []string{dir}
		}
		return []string{lib + "/mysql/plugin", lib + "/plugin", "/usr/lib/mysql/plugin", "/usr/lib64/mysql/plugin", "/usr/local/mysql/lib/plugin"}
	}
	return nil
}

// judgePlugin reports where the client library lacks its half of the login.
func judgePlugin(c *inspection) {
	plugin := c.libs.client.plugin()
	if plugin == "" || slices.Contains(c.libs.plugins, plugin) {
		return
	}
	folders := c.pluginFolders()
	for _, dir := range folders {
		_, err := c.root.stat(dir + "/" + plugin)
		if err == nil {
			return
		}
		if notSeen(err) {
			c.note("the plugin folder %s: %v", dir, err)
			return
		}
	}
	packages := map[Client]string{
		LibMariaDB:     "mariadb-plugin-gssapi-client (Debian, Ubuntu) or mariadb-connector-c (Red Hat)",
		LibMySQLClient: "the client plugins of the mysql-community packages",
	}
	c.add(Issue{Code: "app-plugin-missing", Severity: Error, Place: strings.Join(folders, ", "),
		Cause: fmt.Sprintf("The program uses %s (%s), which needs %s for a Kerberos login and finds it in none of its plugin folders.",
			c.libs.client, c.libs.clientPath, plugin),
		Fix: "install " + packages[c.libs.client] + " where the program runs, or point its plugin directory to the folder that has the file"})
}
