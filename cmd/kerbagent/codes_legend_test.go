package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// legend says what each placeholder of a remedy's commands stands for.
func legend() map[string]string {
	return map[string]string{
		"account": "the user name without its realm", "port": "the port of the server", "ip": "the address of the server", "ip6": "its IPv6 address",
		"host": "the database's host name", "realm": "the realm that the finding is about, such as CORP.EXAMPLE.COM", "domain": "the DNS domain of the realm that the finding is about, such as corp.example.com",
		"user": "the user of the login, such as alice@CORP.EXAMPLE.COM", "admin": "a database administrator", "kdc": "the host name of the KDC",
		"file": "the file that the finding names", "address": "the address of the server, with its port for a KDC", "uid": "the number of the user that the program runs as",
		"endpoint": "the database's endpoint with its port", "database": "the name of the database in kerbagent.yaml", "krb5.conf": "the krb5.conf that the program reads",
		"unit": "the systemd service of the program", "server": "the DNS server", "directory": "the directory", "cache": "the credential cache",
		"pid": "the program's process number", "keytab": "the keytab", "instance": "the identifier of the DB instance", "domain of the database": "the DNS domain of the database's realm",
		"wrong account": "the account that should not have the name", "service name": "the announced SPN without its realm", "service account": "the account of the database's service",
		"role": "the name of the cluster's IAM role for the directory", "program": "the name of the program", "cluster": "the identifier of the DB cluster",
		"weight": "the third number of the record", "priority": "the first number of the record",
		"other domain": "the domain on the other side of the trust", "number": "a number from the list", "new file": "the keytab to write",
		"nameserver": "a nameserver of the container", "login.config": "the JAAS login configuration", "host part": "the part after the @",
		"group": "the security group's ID", "group of this host": "the ID of this host's security group", "cidr": "the address of the KDC with /32",
		"certificate": "the new CA's identifier, from the list", "newer keytab": "the keytab with the newer keys", "new cache": "a file in a directory of the program's user",
		"port of the server": "the port that the finding names", "address of this host": "this host's address, as the server sees it",
	}
}

var placeholder = regexp.MustCompile(`<([A-Za-z][^<>=]*)>`)

// placeholdersOf returns those of a remedy's commands, each once.
func placeholdersOf(remedy string) []string {
	var out []string
	for line := range strings.Lines(remedy) {
		if !strings.HasPrefix(line, "  ") {
			continue
		}
		for _, m := range placeholder.FindAllStringSubmatch(line, -1) {
			if !slices.Contains(out, m[1]) {
				out = append(out, m[1])
			}
		}
	}
	return out
}

// legendOf explains the placeholders of a remedy's commands.
func legendOf(remedy string) string {
	var out []string
	for _, p := range placeholdersOf(remedy) {
		what := legend()[p]
		switch { // some words mean another thing in other company
		case p == "realm" && strings.Contains(remedy, "IDENTIFIED WITH"):
			what = "the user's realm, such as CORP.EXAMPLE.COM"
		case p == "domain" && strings.Contains(remedy, "netdom trust"):
			what = "the DNS domain of the user's realm, such as onprem.local"
		case p == "port" && strings.Contains(remedy, "-P <port>"):
			what = "the database's port"
		case p == "directory" && strings.Contains(remedy, "ls -ld"):
			what = "the state directory"
		case p == "directory":
			what = "the ID of the directory in AWS, such as d-1234567890"
		case p == "port" && strings.Contains(remedy, "samba-tool dns delete"):
			what = "the port in the record"
		case p == "account" && strings.Contains(remedy, "spn list"):
			what = "the account of the database's service"
		}
		out = append(out, fmt.Sprintf("`<%s>` is %s", p, what))
	}
	if strings.Contains(remedy, "kerbagent check --realm") {
		out = append(out, "`kerbagent check` without `--user` only sends probes: it makes no login, so it costs the account no attempt")
	}
	if len(out) == 0 {
		return ""
	}
	return "\nIn a finding, kerbagent fills in the values that it knows. " + strings.Join(out, "; ") + ".\n"
}

// A command with a placeholder that nobody explains cannot be typed.
func TestEveryPlaceholderIsExplained(t *testing.T) {
	used := map[string]bool{}
	for _, r := range diagnose.Catalogue() {
		_, _, _, remedy := r.Print()
		for _, p := range placeholdersOf(remedy) {
			if used[p] = true; legend()[p] == "" {
				t.Errorf("%s: <%s> is explained nowhere", r.Code, p)
			}
		}
	}
	for p := range legend() {
		if !used[p] {
			t.Errorf("<%s> is explained, and no command has it", p)
		}
	}
}
