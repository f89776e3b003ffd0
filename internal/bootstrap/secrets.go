package bootstrap

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/kerbagent/kerbagent/config"
)

// Secret is a password on its way from where it is kept to where it is needed.
// However it is printed, it is not shown.
type Secret struct{ text []byte }

// NewSecret wraps a password.
func NewSecret(text []byte) Secret { return Secret{text} }

// Reveal gives the password.
func (s Secret) Reveal() []byte { return s.text }

// Format hides the password from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "***") }

// MarshalText hides the password from JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// unreadableError is a password that whoever runs this may not read: a watcher,
// as a rule.
type unreadableError struct {
	ref config.BootstrapSecret
	err error
}

// Error says which.
func (e *unreadableError) Error() string { return "reading " + e.ref.String() + ": " + e.err.Error() }

// Unwrap gives AWS's refusal.
func (e *unreadableError) Unwrap() error { return e.err }

// vault reads passwords from where the configuration says that they are.
type vault struct {
	sm secretsCalls
	*world
}

// read gives a password. One that Secrets Manager does not have is errNoSecret.
func (v vault) read(ctx context.Context, ref config.BootstrapSecret) (Secret, error) {
	if ref.Manager == "" {
		b, err := ref.Local.Password()
		return Secret{b}, err
	}
	out, err := v.sm.getSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(ref.Manager)})
	switch {
	case is[*types.ResourceNotFoundException](err), deniedByName(err, ref.Manager):
		return Secret{}, fmt.Errorf("%s: %w", ref, errNoSecret)
	case is[*types.InvalidRequestException](err):
		return Secret{}, advise("restore it: aws secretsmanager restore-secret --region "+v.region+" --secret-id "+quote(ref.Manager), "the secret %s is marked for deletion", ref)
	case slices.Contains(deniedCodes(), code(err)):
		return Secret{}, &unreadableError{ref, err}
	case err != nil:
		return Secret{}, fmt.Errorf("reading %s: %w", ref, err)
	}
	b := []byte(aws.ToString(out.SecretString))
	if len(b) == 0 {
		b = out.SecretBinary
	}
	if ref.Key != "" {
		var object map[string]any
		if err := json.Unmarshal(b, &object); err != nil {
			return Secret{}, advise("leave #"+ref.Key+" out, or store a JSON object", "the secret %s is not a JSON object", ref)
		}
		text, ok := object[ref.Key].(string)
		if !ok {
			return Secret{}, advise("correct the name after #", "the secret %s has no text under that key", ref)
		}
		b = []byte(text)
	}
	if len(b) == 0 || bytes.ContainsAny(b, "\r\n\x00") {
		return Secret{}, advise("store the password alone, without a line end", "the secret %s is empty or has a line end in it", ref)
	}
	return Secret{b}, nil
}

// deniedByName says that a secret is not there, to somebody who may read it if
// it were: without an ARN that a policy could allow, its bare name is refused.
func deniedByName(err error, name string) bool {
	return !strings.HasPrefix(name, "arn:") && slices.Contains(deniedCodes(), code(err)) && missing(err).resource == name
}

// storage is the change that makes a password where there is none yet.
func (v vault) storage(ref config.BootstrapSecret, whose string, fits func([]byte) error) (change, error) {
	if strings.HasPrefix(ref.Manager, "arn:") {
		return change{}, advise("write its name in place of the ARN to have it made", "there is no secret %s", ref)
	}
	return change{
		key:  "secret-" + ref.Manager,
		what: fmt.Sprintf("make a password for %s and store it in Secrets Manager as %s", whose, ref.Manager),
		act: func(ctx context.Context) error {
			password, err := generate(fits)
			if err != nil {
				return err
			}
			if ref.Key != "" {
				if password, err = json.Marshal(map[string]string{ref.Key: string(password)}); err != nil {
					return fmt.Errorf("storing %s: %w", ref, err)
				}
			}
			in := &secretsmanager.CreateSecretInput{Name: aws.String(ref.Manager), SecretString: aws.String(string(password)),
				Description: aws.String("Password of " + whose + ", made by kerbagent bootstrap")}
			// The same request is the same token: it cannot make two.
			sum := sha256.Sum256([]byte(v.state.Lock + "\x00" + ref.Manager))
			in.ClientRequestToken = aws.String(hex.EncodeToString(sum[:16]))
			for key, value := range v.tags() {
				in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
			}
			_, err = v.sm.createSecret(ctx, in)
			if err != nil && !is[*types.ResourceExistsException](err) {
				return fmt.Errorf("storing %s: %w", ref, err)
			}
			return nil // what stands there counts: it is read before it is used
		},
	}, nil
}

// readOrStore gives a password, or the change that makes it.
func (v vault) readOrStore(ctx context.Context, ref config.BootstrapSecret, whose string, fits func([]byte) error) (Secret, *change, error) {
	s, err := v.read(ctx, ref)
	if errors.Is(err, errNoSecret) {
		c, err := v.storage(ref, whose, fits)
		return Secret{}, &c, err
	}
	if err != nil {
		return Secret{}, nil, err
	}
	if err := fits(s.text); err != nil {
		return Secret{}, nil, advise("change it in "+ref.String(), "the password of %s in %s will not do: %s", whose, ref, err)
	}
	return s, nil, nil
}

// generate makes a password that fits: 190 bits of letters and digits.
func generate(fits func([]byte) error) ([]byte, error) {
	const runes = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
	for {
		b := make([]byte, 32)
		for i := range b {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(runes))))
			if err != nil {
				return nil, fmt.Errorf("making a password: %w", err)
			}
			b[i] = runes[n.Int64()]
		}
		if fits(b) == nil {
			return b, nil
		}
	}
}

// checkAdminPassword holds a password to the rule of the guide's step 1.
func checkAdminPassword(b []byte) error {
	if len(b) < 8 || len(b) > 64 {
		return fmt.Errorf("it has %d characters, and must have 8 to 64", len(b))
	}
	if strings.Contains(strings.ToLower(string(b)), "admin") {
		return errors.New(`it must not contain the word "admin"`)
	}
	return checkClasses(b)
}

// checkUserPassword holds a password to a directory's first policy. The
// directory has the last word: its policy can be another one by now.
func checkUserPassword(b []byte) error {
	if len(b) < 7 || len(b) > 127 {
		return fmt.Errorf("it has %d characters, and must have 7 to 127", len(b))
	}
	return checkClasses(b)
}

// checkTrustPassword holds a password to CreateTrust's limits.
func checkTrustPassword(b []byte) error {
	if len(b) > 128 {
		return fmt.Errorf("it has %d characters, and must have at most 128", len(b))
	}
	return nil
}

// checkPrimaryPassword holds a password to CreateDBCluster's limits.
func checkPrimaryPassword(b []byte) error {
	if len(b) < 8 || len(b) > 41 {
		return fmt.Errorf("it has %d characters, and must have 8 to 41", len(b))
	}
	if bytes.ContainsAny(b, `/"@ `) || bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New(`it must be printable ASCII without / " @ and spaces`)
	}
	return nil
}

func checkClasses(b []byte) error {
	classes := 0
	for _, in := range []func(rune) bool{
		func(r rune) bool { return r >= 'a' && r <= 'z' },
		func(r rune) bool { return r >= 'A' && r <= 'Z' },
		func(r rune) bool { return r >= '0' && r <= '9' },
		func(r rune) bool { return strings.ContainsRune("~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/", r) },
	} {
		if bytes.ContainsFunc(b, in) {
			classes++
		}
	}
	if classes < 3 {
		return errors.New("it must have three of: lower-case letters, upper-case letters, digits, other characters")
	}
	return nil
}

// quote makes one word of a text for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
