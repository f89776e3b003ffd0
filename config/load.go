package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/kerbagent/kerbagent/internal/ownership"
	"go.yaml.in/yaml/v3"
)

// maxFile caps a configuration: 10,000 jobs fit several times.
const maxFile = 4 << 20

// Load reads a file. What is wrong inside it is an *Errors; what the system
// says about the file is that error, wrapped.
func Load(path string) (*Config, error) {
	b, err := ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading configuration: %w; kerbagent config init writes a first one", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("reading configuration: %w; run the command as root, or let this user read the file", err)
	case err != nil:
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	return parse(path, filepath.Dir(abs), b, func() error { return ownership.Guarded(abs) })
}

// ReadFile returns a file of at most 4 MiB, and one byte more where it has more. A
// pipe that nobody writes to is empty, and one whose writer is silent an error soon:
// neither is waited for, since a signal does not end the wait for an open.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_ = f.SetReadDeadline(time.Now().Add(5 * time.Second)) // a regular file has none, and needs none
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// Parse reads a configuration from memory. name is what errors call it, and
// its folder is where relative paths in it begin.
func Parse(name string, b []byte) (*Config, error) {
	return parse(name, filepath.Dir(name), b, nil)
}

func parse(name, dir string, b []byte, owner func() error) (*Config, error) {
	d := &document{lines: strings.Split(string(b), "\n"), owner: owner}
	root := d.syntax(b)
	if len(d.problems) > 0 {
		return nil, d.errors(name)
	}
	c := d.config(value{doc: d, node: root}, dir)
	if len(d.problems) > 0 {
		return nil, d.errors(name)
	}
	return c, nil
}

// syntax returns the one mapping that a configuration is.
func (d *document) syntax(b []byte) (root *yaml.Node) {
	switch {
	case len(b) > maxFile:
		d.add(nil, "", "is larger than 4 MiB: that is not a kerbagent.yaml")
		return nil
	case !utf8.Valid(b):
		d.add(nil, "", "is not UTF-8 text")
		return nil
	}
	// The parser is not ours: a panic in it must not be one of kerbagent's.
	defer func() {
		if recover() != nil {
			root = nil
			d.add(nil, "", "is not valid YAML")
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF) || err == nil && isNull(doc.Content[0]):
		d.add(nil, "", "is empty; `kerbagent config init` writes a first one")
		return nil
	case err != nil:
		d.notYAML(err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		return doc.Content[0]
	case err != nil:
		d.notYAML(err)
	default:
		d.add(second.Content[0], "", "a second document begins here; a configuration is one")
	}
	return nil
}

// notYAML reports what the parser says, at the line that it names.
func (d *document) notYAML(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	var at *yaml.Node
	if m := regexp.MustCompile(`^line (\d+): (.*)`).FindStringSubmatch(message); m != nil {
		line, _ := strconv.Atoi(m[1])
		at, message = &yaml.Node{Line: line, Column: 1}, m[2]
	}
	if strings.HasPrefix(message, "unknown anchor") { // which it names: the rest of a value, a password maybe
		message = "a value that begins with * is an alias, of an anchor that does not exist; quote it"
	}
	line := ""
	if at != nil && at.Line >= 1 && at.Line <= len(d.lines) {
		line = d.lines[at.Line-1]
	}
	d.add(at, "", "is not valid YAML: "+strings.Trim(strconv.Quote(message), `"`)+yamlAdvice(message, line))
}

// yamlAdvice returns what to write, for each kind of thing that the parser says of
// a line; "" where its own words do.
func yamlAdvice(message, line string) string {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	_, value, _ := strings.Cut(line, ": ")
	for _, kind := range []struct {
		says   string
		also   bool
		advice string
	}{
		{"cannot start any token", strings.Contains(indent, "\t"), "there is a tab in the indentation; indent with spaces"},
		{"cannot start any token", true, "put the value in quotes, or write spaces instead of a tab"},
		{"mapping values are not allowed", strings.Contains(value, ": ") || strings.HasSuffix(strings.TrimSpace(value), ":"),
			"a value with a colon and a space in it needs quotes"},
		{"mapping values are not allowed", true, "the keys of one block begin in the same column; compare with the line above"},
		{"did not find expected ',' or ']'", true, "a [ near this line is not closed; write the ]"},
		{"did not find expected ',' or '}'", true, "a { near this line is not closed; write the }"},
		{"did not find expected node content", true, "a [ or { is opened and not closed"},
		{"did not find expected key", true, "the keys of one block begin in the same column; compare with the lines above"},
		{"did not find expected '-' indicator", true, "the items of one list begin with - in the same column"},
		{"<document start>", true, "the first line is a key, for example realms:"},
		{"control characters", true, "save the file as plain text"},
		{"unexpected end of stream", true, "a quote is opened and not closed"},
	} {
		if kind.also && strings.Contains(message, kind.says) {
			return ": " + kind.advice
		}
	}
	return ""
}
