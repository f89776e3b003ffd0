package bootstrap

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"
)

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
	if n := utf8.RuneCount(b); n < 8 || n > 64 {
		return fmt.Errorf("it has %d characters, and must have 8 to 64", n)
	}
	if bytes.ContainsFunc(b, func(r rune) bool { return !isAllowed(r) }) {
		return errors.New("it has a character that AWS does not list: letters A to Z and a to z, digits, and " + otherCharacters)
	}
	if strings.Contains(strings.ToLower(string(b)), "admin") {
		return errors.New(`it must not contain the word "admin"`)
	}
	return checkClasses(b)
}

// checkUserPassword holds a password to a directory's first policy. The
// directory has the last word: its policy can be another one by now.
func checkUserPassword(b []byte) error {
	if n := utf8.RuneCount(b); n < 7 || n > 127 {
		return fmt.Errorf("it has %d characters, and must have 7 to 127", n)
	}
	return checkClasses(b)
}

// checkTrustPassword holds a password to CreateTrust's limits.
func checkTrustPassword(b []byte) error {
	if n := utf8.RuneCount(b); n < 1 || n > 128 {
		return fmt.Errorf("it has %d characters, and must have 1 to 128", n)
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

// otherCharacters are those that the guide lists beside letters and digits.
const otherCharacters = "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/"

func isAllowed(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(otherCharacters, r)
}

func checkClasses(b []byte) error {
	classes := 0
	for _, in := range []func(rune) bool{
		func(r rune) bool { return r >= 'a' && r <= 'z' },
		func(r rune) bool { return r >= 'A' && r <= 'Z' },
		func(r rune) bool { return r >= '0' && r <= '9' },
		func(r rune) bool { return strings.ContainsRune(otherCharacters, r) },
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
