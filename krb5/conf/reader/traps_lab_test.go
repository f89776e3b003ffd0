//go:build lab

package reader

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// TestTrapsReal passes every trap file to the libraries themselves, and holds
// the models against what they say.
func TestTrapsReal(t *testing.T) {
	// What a module says is not in the file, so there is nothing to compare.
	names := slices.DeleteFunc(trapNames(t), func(name string) bool { return name == "module" })
	var questions []question
	var texts []string
	for _, name := range names {
		dir := t.TempDir()
		for path, text := range trapFiles(t, name, dir) {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if filepath.Base(path) == "krb5.conf" {
				texts = append(texts, text)
			}
		}
		questions = append(questions, question{Config: filepath.Join(dir, "krb5.conf"), Hosts: trapHosts(),
			Realms: []string{"A.TEST", "B.TEST", "C.TEST"}, Dump: true})
	}
	for reader, askReader := range map[Reader]func(*testing.T, []question) []answer{MIT: askMIT, Heimdal: askHeimdal, Java: askJava} {
		for i, want := range askReader(t, questions) {
			set := conf.Load(conf.Disk{}, questions[i].Config)
			got := modelAnswer(Read(reader, set), set, questions[i], want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (- %s, + model):\n%s", names[i], reader, diff)
			}
		}
	}
	for i, text := range texts {
		if diff := cmp.Diff(askGokrb5(text, trapHosts()), modelGokrb5(text, trapHosts())); diff != "" {
			t.Errorf("%s (- gokrb5, + model):\n%s", names[i], diff)
		}
	}
}

// TestKRB5ConfigList holds the merging of several files against libkrb5,
// sections marked as final among them.
func TestKRB5ConfigList(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := write("a", "[libdefaults]\n default_realm = A.TEST\n[realms]\n A.TEST = {\n kdc = k1\n }*\n[domain_realm]*\n .a.test = A.TEST\n")
	b := write("b", "[libdefaults]\n default_realm = B.TEST\n udp_preference_limit = 1\n[realms]\n A.TEST = {\n kdc = k2\n }\n B.TEST = {\n kdc = k3\n }\n[domain_realm]\n .b.test = B.TEST\n")
	none := filepath.Join(dir, "none")
	var questions []question
	for _, list := range []string{a, b, a + ":" + b, b + ":" + a, none + ":" + b, none} {
		questions = append(questions, question{Config: list, Hosts: randomHosts()})
	}
	for i, want := range askMIT(t, questions) {
		set := conf.Load(conf.Disk{}, conf.PathsOf(questions[i].Config)...)
		got := modelAnswer(Read(MIT, set), set, questions[i], want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (- mit, + model):\n%s", questions[i].Config, diff)
		}
	}
}

func trapHosts() []string {
	return []string{"host.c.test", "x.one.test", "x.two.test", "x.three.test", "unmapped.test", "orders.cluster-abc123.us-east-1.rds.amazonaws.com", "db1.a.test"}
}

// trapFiles returns the files of a trap as they are to stand below dir.
func trapFiles(t *testing.T, name, dir string) map[string]string {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("..", "testdata", "traps", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range a.Files {
		files[filepath.Join(dir, f.Name)] = strings.ReplaceAll(string(f.Data), "@DIR@", dir)
	}
	return files
}

func trapNames(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("../testdata/traps/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no trap files", err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".txtar"))
	}
	return names
}
