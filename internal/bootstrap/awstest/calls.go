package awstest

import (
	"slices"
	"time"
)

// Call is a request that was made, whatever came of it.
type Call struct {
	Number      int       // from 1
	At          time.Time // on the fake clock
	Service     string    // as the credential scope has it
	Action      string
	AccessKey   string
	Mutating    bool         // it changes something where it succeeds
	Permissions []Permission // that it needed, up to the first that was denied
	Status      int          // of HTTP; 0 where the connection was cut
	Code        string       // of the error that was answered, or ""
	Effect      bool         // it did what it is for, whatever was answered

	// What went over the wire, for a check against AWS's models; it has secrets in it.
	ContentType       string
	Request, Response []byte
}

// Calls returns all calls so far, the oldest first.
func (c *Cloud) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Mutations returns the calls that changed something.
func (c *Cloud) Mutations() []Call {
	return slices.DeleteFunc(c.Calls(), func(k Call) bool { return !k.Mutating || !k.Effect })
}
