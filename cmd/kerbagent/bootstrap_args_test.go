package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// A verb whose argument is left out says what to type. It said how many arguments
// the library counts.
func TestBootstrapVerbsWithoutTheirArgument(t *testing.T) {
	for verb, want := range map[string]string{
		"rotate": "kerbagent bootstrap rotate Admin",
		"export": "kerbagent bootstrap export terraform",
	} {
		var out, said bytes.Buffer
		exit := run(context.Background(), []string{"bootstrap", verb}, os.Stdin, &out, &said)
		if exit != 3 || !strings.Contains(said.String(), want) || strings.Contains(said.String(), "arg(s)") {
			t.Errorf("%s: exit %d, %q", verb, exit, said.String())
		}
	}
}
