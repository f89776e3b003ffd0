package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// The keys of the bootstrap part, object by object.
func bootstrapKeys() []string {
	return []string{"account", "region", "tags", "secrets_kms_key", "directory", "trust", "role", "users", "cluster", "database_users", "client"}
}
func bootstrapDirectoryKeys() []string {
	return []string{"id", "name", "short_name", "description", "edition", "vpc", "subnets", "security_group", "admin_password", "adopt"}
}
func bootstrapTrustKeys() []string {
	return []string{"domain", "short_name", "direction", "selective_auth", "dns_servers", "networks", "password"}
}
func bootstrapRoleKeys() []string {
	return []string{"name", "path", "manage", "policy", "permissions_boundary", "principals", "repair", "repair_trust"}
}
func bootstrapUserKeys() []string { return []string{"name", "password", "password_never_expires"} }
func bootstrapDatabaseUserKeys() []string {
	return []string{"user", "host", "grants", "revoke", "convert", "password_file", "keytab", "ccache"}
}
func bootstrapClientKeys() []string { return []string{"config", "krb5_conf"} }

// bootstrap reads the whole part. It goes on after a problem, so that all are found.
func (d *document) bootstrap(v value, dir string) *Bootstrap {
	f := v.fields(bootstrapKeys()...)
	b := &Bootstrap{Tags: map[string]string{}}
	if !mapping(v) {
		return b
	}
	b.Account, _ = read(f["account"], parseAWSAccount)
	b.Region, _ = read(f["region"], parseAWSRegion)
	for _, e := range f["tags"].entries("a tag, e.g. team: database") {
		text, ok := e.text()
		switch {
		case !ok:
		case e.key == "" || len(e.key) > 128 || len(text) > 256 || strings.HasPrefix(strings.ToLower(e.key), "aws:"),
			strings.ContainsFunc(e.key+text, notInTags):
			d.add(e.at, e.path, "is not a tag that AWS takes: at most 128 characters, not beginning with aws:, and at most 256 of value; "+
				"letters, digits, spaces and + - = . _ : / @")
		case strings.HasPrefix(e.key, "kerbagent:"):
			d.add(e.at, e.path, "is kerbagent's own tag; use another name")
		default:
			b.Tags[e.key] = text
		}
	}
	b.SecretsKey, _ = read(f["secrets_kms_key"], parseAWSName)
	b.Directory = d.bootstrapDirectory(f["directory"], v, dir)
	b.Trust = d.bootstrapTrust(f["trust"], b.Directory, dir)
	b.Role = d.bootstrapRole(f["role"])
	b.Users = d.bootstrapUsers(f["users"], b.Directory, dir)
	b.Cluster = d.bootstrapCluster(f["cluster"], v, dir)
	b.DatabaseUsers = d.bootstrapDatabaseUsers(f["database_users"], b, dir)
	c := f["client"].fields(bootstrapClientKeys()...)
	path := func(s string) (string, error) { return parsePath(s, dir) }
	b.Client.Config, _ = read(c["config"], path)
	b.Client.Krb5Conf = readOr(c["krb5_conf"], DefaultKrb5ConfPath, path)
	return b
}

func (d *document) bootstrapDirectory(v, parent value, dir string) BootstrapDirectory {
	f := v.fields(bootstrapDirectoryKeys()...)
	out := BootstrapDirectory{Edition: readOr(f["edition"], DefaultEdition, func(s string) (string, error) {
		return parseWord(s, "Standard", "Enterprise")
	})}
	if !v.set() {
		parent.problem("has no directory; write directory: {name: corp.example.com, vpc: vpc-…, subnets: [subnet-…, subnet-…], admin_password: \"secretsmanager:kerbagent/corp/admin\"}, or directory: {id: d-…, name: …}")
		return out
	}
	if !mapping(v) {
		return out
	}
	out.ID, _ = read(f["id"], parseAWSID("d-", 10, 10))
	out.Name = need(f["name"], v, "name: corp.example.com", parseDirectoryName)
	out.ShortName = readOr(f["short_name"], shortName(out.Name), parseNetBIOS)
	out.Description, _ = read(f["description"], func(s string) (string, error) {
		if len(s) > 128 {
			return "", fmt.Errorf("%q is longer than the 128 characters that AWS takes", s)
		}
		return s, nil
	})
	out.SecurityGroup, _ = read(f["security_group"], parseAWSID("sg-", 8, 17))
	out.Adopt = readOr(f["adopt"], false, parseBool)
	out.AdminPassword, _ = read(f["admin_password"], func(s string) (BootstrapSecret, error) { return parseBootstrapSecret(s, dir) })
	if out.ID != "" {
		for _, key := range []string{"vpc", "subnets", "edition", "description", "adopt"} {
			if f[key].set() {
				f[key].problem("has no use beside id: that directory is there already")
			}
		}
		return out
	}
	out.VPC = need(f["vpc"], v, "vpc: vpc-…", parseAWSID("vpc-", 8, 17))
	out.Subnets = readAll(f["subnets"], "subnet-…", parseAWSID("subnet-", 8, 17))
	if bad := len(f["subnets"].items("subnet-…")); bad != 2 && (!f["subnets"].set() || bad > 0 || len(d.problems) == 0) {
		at := f["subnets"]
		if !at.set() {
			at = v
		}
		at.problem("a directory has two subnets, in different Availability Zones; write subnets: [subnet-…, subnet-…]")
	}
	if !f["admin_password"].set() {
		v.problem("has no admin_password; write admin_password: \"secretsmanager:NAME\" (it is made there if it is not there yet), file:PATH or credential:NAME")
	}
	return out
}

func (d *document) bootstrapTrust(v value, directory BootstrapDirectory, dir string) *BootstrapTrust {
	if !v.set() {
		return nil
	}
	f := v.fields(bootstrapTrustKeys()...)
	if !mapping(v) {
		return nil
	}
	t := &BootstrapTrust{
		Domain:        need(f["domain"], v, "domain: onprem.local", parseDomain),
		SelectiveAuth: readOr(f["selective_auth"], false, parseBool),
		DNSServers:    readAll(f["dns_servers"], "192.0.2.53", parseAddr),
		Networks:      readAll(f["networks"], "192.0.2.0/24", parsePrefix),
		Password:      need(f["password"], v, `password: "credential:trust"`, func(s string) (BootstrapSecret, error) { return parseBootstrapSecret(s, dir) }),
	}
	t.ShortName = readOr(f["short_name"], shortName(t.Domain), parseNetBIOS)
	direction := readOr(f["direction"], "one-way", func(s string) (string, error) { return parseWord(s, "one-way", "two-way") })
	t.TwoWay = direction == "two-way"
	switch {
	case t.Domain == "" || directory.Name == "":
	case t.Domain == directory.Name:
		f["domain"].problem("%q is the directory itself; a trust is with another one", t.Domain)
	case t.ShortName == directory.ShortName:
		f["domain"].problem("both directories have the NetBIOS name %s, and then no trust can be made; give directory.short_name another one, or trust.short_name the real one of %s", t.ShortName, t.Domain)
	}
	if n := len(t.DNSServers); n > 4 || n == 0 && len(f["dns_servers"].items("192.0.2.53")) == 0 {
		v.problem("a trust needs one to four dns_servers, those of the other directory")
	}
	if len(t.Networks) == 0 { // least: the servers that the conditional forwarder asks
		for _, a := range t.DNSServers {
			t.Networks = append(t.Networks, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return t
}

func (d *document) bootstrapRole(v value) BootstrapRole {
	f := v.fields(bootstrapRoleKeys()...)
	policy := readOr(f["policy"], "managed", func(s string) (string, error) { return parseWord(s, "managed", "inline") })
	out := BootstrapRole{
		Name: readOr(f["name"], DefaultRoleName, func(s string) (string, error) {
			if s == "" || len(s) > 64 || strings.Trim(s, awsNameRunes+"+=,@_") != "" {
				return "", fmt.Errorf("%q is not the name of an IAM role; write the name alone, not its ARN", s)
			}
			return s, nil
		}),
		Inline:      policy == "inline",
		Principals:  readAll(f["principals"], "rds.amazonaws.com", func(s string) (string, error) { return s, checkHost(s) }),
		Path:        readOr(f["path"], "/", parseIAMPath),
		Manage:      readOr(f["manage"], true, parseBool),
		Repair:      readOr(f["repair"], false, parseBool),
		RepairTrust: readOr(f["repair_trust"], false, parseBool),
	}
	out.Boundary, _ = read(f["permissions_boundary"], parsePolicyARN)
	for _, key := range []string{"policy", "permissions_boundary", "repair", "repair_trust"} {
		if f[key].set() && !out.Manage {
			f[key].problem("has no use beside manage: false: kerbagent neither makes nor changes that role")
		}
	}
	return out
}

func (d *document) bootstrapUsers(v value, directory BootstrapDirectory, dir string) []BootstrapUser {
	var out []BootstrapUser
	for _, item := range v.items(`{name: alice, password: "credential:alice"}`) {
		f := item.fields(bootstrapUserKeys()...)
		if !mapping(item) {
			continue
		}
		u := BootstrapUser{
			Name:         need(f["name"], item, "name: alice", parseAccountName),
			NeverExpires: readOr(f["password_never_expires"], false, parseBool),
			Password:     need(f["password"], item, `password: "credential:alice"`, func(s string) (BootstrapSecret, error) { return parseBootstrapSecret(s, dir) }),
		}
		if slices.ContainsFunc(out, func(o BootstrapUser) bool { return u.Name != "" && strings.EqualFold(o.Name, u.Name) }) {
			f["name"].problem("duplicate user %s; a directory's names are not case-sensitive", u.Name)
		}
		out = append(out, u)
	}
	if len(out) > 0 && directory.AdminPassword.IsZero() {
		v.problem("users are made by the directory's Admin: write directory.admin_password")
	}
	return out
}

func (d *document) bootstrapDatabaseUsers(v value, b *Bootstrap, dir string) []BootstrapDatabaseUser {
	var out []BootstrapDatabaseUser
	realms := []string{b.Directory.Realm()}
	if b.Trust != nil {
		realms = append(realms, b.Trust.Realm())
	}
	for _, item := range v.items(`{user: alice, host: "%", grants: ["SELECT ON orders.*"]}`) {
		f := item.fields(bootstrapDatabaseUserKeys()...)
		if !mapping(item) {
			continue
		}
		u := BootstrapDatabaseUser{
			Realm:   b.Directory.Realm(),
			Host:    readOr(f["host"], "%", parseMySQLHost),
			Grants:  readGrants(f["grants"]),
			Revoke:  readOr(f["revoke"], false, parseBool),
			Convert: readOr(f["convert"], false, parseBool),
		}
		u.User = need(f["user"], item, "user: alice", func(s string) (string, error) {
			name, realm, err := parseUser(s)
			switch {
			case err != nil:
				return "", err
			case len(name) > 32:
				return "", fmt.Errorf("%q is longer than the 32 characters of a database user", name)
			case realm != "" && !slices.Contains(realms, realm):
				return "", fmt.Errorf("%q is of no realm that is set up here; known are %s", s, some(realms))
			case realm != "":
				u.Realm = realm
			}
			return name, nil
		})
		if slices.ContainsFunc([]string{"password_file", "keytab", "ccache"}, func(key string) bool { return f[key].set() }) {
			u.SecretKind, u.Secret = d.secret(f, item, dir)
		}
		if slices.ContainsFunc(out, func(o BootstrapDatabaseUser) bool {
			return u.User != "" && o.User == u.User && strings.EqualFold(o.Host, u.Host)
		}) {
			item.problem("duplicate account '%s'@'%s'; a database account belongs to one realm", u.User, u.Host)
		}
		out = append(out, u)
	}
	restored := b.Cluster.Mode == ClusterRestoreSnapshot || b.Cluster.Mode == ClusterRestoreTime
	if len(out) > 0 && b.Cluster.PrimaryPassword.IsZero() && restored {
		v.problem("database users are made by the primary user: write cluster.primary_password")
	}
	return out
}

// readGrants reads them by the one parser that there is: what it takes, the
// database takes too.
func readGrants(v value) []Grant {
	var out []Grant
	for _, item := range v.items("SELECT ON orders.*") {
		if g, ok := read(item, ParseGrant); ok {
			out = append(out, g)
		}
	}
	return out
}

// need is read for a key that has to be there.
func need[T any](v, parent value, example string, parse func(string) (T, error)) (out T) {
	if !v.set() {
		key := v.path[strings.LastIndexByte(v.path, '.')+1:]
		parent.problem("has no %s; write %s", key, example)
		return out
	}
	out, _ = read(v, parse)
	return out
}

// parseAWSMoment reads a point in time.
func parseAWSMoment(s string) (time.Time, error) {
	if s == "latest" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a moment; write one like 2026-11-22T03:00:00Z, or latest", s)
	}
	return t, nil
}
