package bootstrap

import (
	"fmt"
)

// Secret is a password on its way from where it is kept to where it is needed.
// However it is printed, it is not shown.
type Secret struct{ text []byte }

// Reveal returns the password.
func (s Secret) Reveal() []byte { return s.text }

// Format hides the password from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "***") }

// MarshalText hides the password from JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }
