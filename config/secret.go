package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"
)

// maxSecret caps what is read of a secret: far above any password or keytab.
const maxSecret = 64 << 10

// SecretRef is the place of a secret: in a file, or in a systemd credential
// (LoadCredential=, read from $CREDENTIALS_DIRECTORY). It never holds the
// secret, so it may be printed. The zero SecretRef refers to nothing.
type SecretRef struct {
	path       string
	credential string
	command    string // the words of a program that prints it, with a zero byte between two
	rootOwned  bool   // root alone could have written that program into the file
}

// IsZero reports whether the reference is to nothing.
func (s SecretRef) IsZero() bool { return s == SecretRef{} }

// String is the reference as a file writes it: "file:/etc/x" or "credential:x".
func (s SecretRef) String() string {
	switch {
	case s.command != "":
		return "command:" + s.Command()[0] // its arguments may be anything
	case s.credential != "":
		return "credential:" + s.credential
	case s.path != "":
		return "file:" + s.path
	}
	return ""
}

// Credential is the name of the systemd credential that holds the secret; empty for another.
func (s SecretRef) Credential() string { return s.credential }

// Path is the file that holds the secret now. For a credential outside a
// systemd unit that has any, it is a *SecretError.
func (s SecretRef) Path() (string, error) {
	if s.credential == "" {
		return s.path, nil
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", &SecretError{Ref: s, Problem: SecretMissing, Err: errNoCredentials}
	}
	return filepath.Join(dir, s.credential), nil
}

// errNoCredentials is met by hand: systemd hands credentials to the service alone.
var errNoCredentials = errors.New("CREDENTIALS_DIRECTORY is not set, as the service alone is given credentials; by hand, as root, while it runs: " +
	"CREDENTIALS_DIRECTORY=/run/credentials/kerbagent.service kerbagent check")

// SecretProblem names what is wrong with a secret; it never contains any of the secret.
type SecretProblem string

// The problems.
const (
	SecretMissing    SecretProblem = "missing"
	SecretUnreadable SecretProblem = "unreadable"
	SecretNotRegular SecretProblem = "not-regular" // a directory, pipe, socket or device
	SecretTooLarge   SecretProblem = "too-large"   // over 64 KiB
	SecretEmpty      SecretProblem = "empty"
	SecretBOM        SecretProblem = "bom"      // a byte order mark: saved by an editor
	SecretNewline    SecretProblem = "newline"  // a line end, which would be part of the password
	SecretCommand    SecretProblem = "command"  // its password_command failed, or may not be run
	SecretEncoding   SecretProblem = "encoding" // not UTF-8, or with a zero byte: UTF-16 or a code page
)

// SecretError is a secret that is no use. Neither it nor what it wraps holds
// any of the secret.
type SecretError struct {
	Ref     SecretRef
	Problem SecretProblem
	Err     error // of the system, may be nil
}

// Error reports what is wrong.
func (e *SecretError) Error() string {
	what := map[SecretProblem]string{
		SecretMissing:    "is not there",
		SecretUnreadable: "cannot be read",
		SecretNotRegular: "is not a regular file",
		SecretTooLarge:   "is larger than 64 KiB",
		SecretEmpty:      "is empty",
		SecretBOM:        "begins with a byte order mark",
		SecretNewline:    "has a line end in it",
		SecretEncoding:   "is not UTF-8 text",
	}[e.Problem]
	if e.Err != nil {
		return fmt.Sprintf("secret %s %s: %v", e.Ref, what, e.Err)
	}
	return fmt.Sprintf("secret %s %s", e.Ref, what)
}

// Unwrap returns the system's error.
func (e *SecretError) Unwrap() error { return e.Err }

// Hint reports what to do about it, with a command to type where there is one.
// The placeholder stays one: whoever types it knows the password.
func (e *SecretError) Hint() string {
	file := e.Ref.path
	if file == "" {
		file = "FILE"
	}
	write := fmt.Sprintf("write it without one, from a prompt so that it stays out of the shell's history: read -rs P; printf %%s \"$P\" > %s", shellQuote(file))
	switch e.Problem {
	case SecretMissing:
		if e.Ref.credential != "" {
			return fmt.Sprintf("give the unit LoadCredential=%s:FILE and restart it, or name a file instead", e.Ref.credential)
		}
		return "make the file, or correct its name"
	case SecretUnreadable:
		return "let the user that kerbagent runs as read it, or hand it over by LoadCredential="
	case SecretNotRegular:
		return "name a regular file; without one the password is asked for on the terminal"
	case SecretTooLarge:
		return "that is not a password or keytab: correct the name"
	case SecretBOM, SecretNewline, SecretEmpty:
		return write
	case SecretEncoding:
		return "store it as UTF-8: iconv -t UTF-8"
	}
	return ""
}

// Read returns the secret byte for byte: a keytab, a ccache, or a password as
// it stands. A file that is missing, unreadable, not regular, empty or larger
// than 64 KiB is a *SecretError.
func (s SecretRef) Read() ([]byte, error) {
	path, err := s.Path()
	if err != nil {
		return nil, err
	}
	// O_NONBLOCK: a named pipe in the file's place must not hang the agent.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &SecretError{Ref: s, Problem: SecretMissing, Err: err}
	}
	if errors.Is(err, syscall.ENXIO) { // a socket
		return nil, &SecretError{Ref: s, Problem: SecretNotRegular, Err: errors.New("it is a socket")}
	}
	if err != nil {
		return nil, &SecretError{Ref: s, Problem: SecretUnreadable, Err: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &SecretError{Ref: s, Problem: SecretUnreadable, Err: err}
	}
	if !info.Mode().IsRegular() {
		return nil, &SecretError{Ref: s, Problem: SecretNotRegular, Err: fmt.Errorf("it is %s", fileKind(info.Mode()))}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return nil, &SecretError{Ref: s, Problem: SecretUnreadable, Err: err}
	case len(b) > maxSecret:
		return nil, &SecretError{Ref: s, Problem: SecretTooLarge}
	case len(b) == 0:
		return nil, &SecretError{Ref: s, Problem: SecretEmpty}
	}
	return b, nil
}

// fileKind returns what stands in the place of a regular file.
func fileKind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	}
	return "a device"
}

// Password returns the secret byte for byte, and a *SecretError where it cannot
// be the password that was meant. A line end or byte order mark is not cut
// off silently: the applications that read the same file would not do that
// either, and a wrong try costs the account.
func (s SecretRef) Password() ([]byte, error) {
	b, err := s.Read()
	if err != nil {
		return nil, err
	}
	if problem := PasswordProblem(b); problem != "" {
		return nil, &SecretError{Ref: s, Problem: problem}
	}
	return b, nil
}

// PasswordProblem returns why these bytes cannot be the password that was meant; empty
// where they can.
func PasswordProblem(b []byte) SecretProblem {
	switch {
	case len(b) == 0:
		return SecretEmpty
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")), bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return SecretBOM
	case !utf8.Valid(b), bytes.IndexByte(b, 0) >= 0:
		return SecretEncoding
	case bytes.ContainsAny(b, "\r\n"):
		return SecretNewline
	}
	return ""
}

// parseSecretRef reads "file:PATH", a bare path, or "credential:NAME". A
// relative path is taken from dir.
func parseSecretRef(s, dir string) (SecretRef, error) {
	if name, ok := strings.CutPrefix(s, "credential:"); ok {
		if !isCredentialName(name) {
			return SecretRef{}, fmt.Errorf("%q is not a credential's name; write credential:NAME with NAME as in LoadCredential=NAME:…", s)
		}
		return SecretRef{credential: name}, nil
	}
	if scheme, _, found := strings.Cut(s, ":"); found && scheme != "file" && isScheme(scheme) {
		return SecretRef{}, fmt.Errorf("a secret cannot come from %q; write file:PATH or credential:NAME", scheme+":")
	}
	path, err := parsePath(strings.TrimPrefix(s, "file:"), dir)
	return SecretRef{path: path}, err
}

// isScheme reports whether s could be the name of a kind of secret store.
func isScheme(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789+-_") == ""
}

// parseCCacheRef is parseSecretRef for a ticket cache, which people write as
// libkrb5 does: FILE:/tmp/krb5cc_1000. Other types are not files that can be read.
func parseCCacheRef(s, dir string) (SecretRef, error) {
	for _, kind := range []string{"DIR", "KEYRING", "KCM", "MEMORY", "API", "MSLSA"} {
		if strings.HasPrefix(s, kind+":") {
			return SecretRef{}, fmt.Errorf("a %s ticket cache cannot be read; name one of type FILE", kind)
		}
	}
	return parseSecretRef(strings.TrimPrefix(s, "FILE:"), dir)
}

// isCredentialName follows systemd.exec(5): a file name, without control characters.
func isCredentialName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 255 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r == '/' || r == ':' || r < 0x20 || r > 0x7e })
}

// parsePath takes a path from dir where it is relative and dir is known.
func parsePath(s, dir string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("is empty; write the path of a file")
	case strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f || r == utf8.RuneError }):
		return "", fmt.Errorf("%q is not a path: it has a control character in it", s)
	case strings.Contains(s, "${") || strings.Contains(s, "{{") || strings.HasPrefix(s, "$") || strings.HasPrefix(s, "~/"):
		return "", fmt.Errorf("%q holds a variable, and kerbagent replaces none; write the path itself", s)
	case !filepath.IsAbs(s) && dir != "":
		return filepath.Join(dir, s), nil
	}
	return filepath.Clean(s), nil
}

func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
