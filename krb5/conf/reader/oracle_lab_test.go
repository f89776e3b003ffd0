//go:build lab

package reader

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// question asks a real reader about one configuration.
type question struct {
	Config string   `json:"config"`
	Hosts  []string `json:"hosts"`
	Realms []string `json:"realms"`
	Dump   bool     `json:"dump"`
}

// answer is what a real reader makes of it. Readers leave out what they
// cannot be asked.
type answer struct {
	Error        string              `json:"error"`
	Dump         string              `json:"dump"`
	DefaultRealm string              `json:"default_realm"`
	Ticket       []int32             `json:"ticket"`
	Service      []int32             `json:"service"`
	Permitted    []int32             `json:"permitted"`
	Hosts        map[string]string   `json:"hosts"`
	Fallback     map[string]string   `json:"fallback"`
	Realms       map[string][]string `json:"realms"`
	RDNS         any                 `json:"rdns"`
	Canonicalize any                 `json:"dns_canonicalize_hostname"`
	LookupKDC    any                 `json:"dns_lookup_kdc"`
	LookupRealm  any                 `json:"dns_lookup_realm"`
	UDP          any                 `json:"udp"`
}

// ask runs a reader once for all questions. It fails the test where the reader
// is not there: these tests run where it is.
func ask(t *testing.T, env []string, questions []question, command ...string) []answer {
	t.Helper()
	var in bytes.Buffer
	for _, q := range questions {
		b, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = &in
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running %s: %v\n%s", strings.Join(command, " "), err, errs.Bytes())
	}
	var answers []answer
	s := bufio.NewScanner(bytes.NewReader(out))
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var a answer
		if err := json.Unmarshal(s.Bytes(), &a); err != nil {
			t.Fatalf("answer %q: %v", s.Bytes(), err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions\n%s", len(answers), len(questions), errs.Bytes())
	}
	return answers
}

func askMIT(t *testing.T, questions []question) []answer {
	t.Helper()
	return ask(t, nil, questions, "python3", filepath.Join("testdata", "oracle", "mit.py"))
}

func askHeimdal(t *testing.T, questions []question) []answer {
	t.Helper()
	lib := filepath.Join(labState(), "pkg", "heimdal", "usr", "lib", "x86_64-linux-gnu")
	return ask(t, []string{"LD_LIBRARY_PATH=" + lib}, questions, "python3", filepath.Join("testdata", "oracle", "heimdal.py"))
}

func askJava(t *testing.T, questions []question) []answer {
	t.Helper()
	const module = "java.security.jgss/sun.security.krb5=ALL-UNNAMED"
	return ask(t, nil, questions, "java", "--add-exports", module, "--add-opens", module, filepath.Join("testdata", "oracle", "Java.java"))
}

func labState() string {
	if s := os.Getenv("LAB_STATE"); s != "" {
		return s
	}
	return "/var/tmp/krb-lab"
}
