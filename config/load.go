package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile caps a configuration: 10,000 jobs fit several times.
const maxFile = 4 << 20

// Load reads a file. What is wrong inside it is an *Errors; what the system
// says about the file is that error, wrapped.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	return parse(path, filepath.Dir(abs), b)
}

// Parse reads a configuration from memory. name is what errors call it, and
// its folder is where relative paths in it begin.
func Parse(name string, b []byte) (*Config, error) {
	return parse(name, filepath.Dir(name), b)
}

func parse(name, dir string, b []byte) (*Config, error) {
	d := &document{lines: strings.Split(string(b), "\n")}
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

// syntax gives the one mapping that a configuration is.
func (d *document) syntax(b []byte) (root ast.Node) {
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
			d.add(nil, "", "is not YAML that can be read")
		}
	}()
	file, err := parser.ParseBytes(b, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		message, tk := "it cannot be read", (*token.Token)(nil)
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			message, tk = syntax.GetMessage(), syntax.GetToken()
		}
		d.add(tk, "", "is not YAML: "+strings.Trim(strconv.Quote(message), `"`))
		return nil
	}
	var docs []ast.Node
	for _, doc := range file.Docs {
		if _, comment := doc.Body.(*ast.CommentGroupNode); doc.Body != nil && !comment {
			docs = append(docs, doc.Body)
		}
	}
	switch len(docs) {
	case 0:
		d.add(nil, "", "is empty; `kerbagent config init` writes a first one")
	case 1:
		return docs[0]
	default:
		d.add(first(docs[1]), "", "a second document begins here; a configuration is one")
	}
	return nil
}
