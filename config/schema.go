package config

import _ "embed"

//go:embed schema.json
var schema string

// Schema is the JSON Schema (draft 2020-12) of kerbagent.yaml, for editors. It
// knows the shape; what refers to what, only Load does.
func Schema() []byte { return []byte(schema) }
