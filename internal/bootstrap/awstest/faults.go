package awstest

import "net/http"

// Match selects the calls that a fault applies to. An empty field matches every call.
type Match struct {
	Service string // as credential scopes have it: ds, iam, sts, rds, ec2, secretsmanager
	Action  string // CreateTrust
	Nth     int    // only the n-th call that fits, from 1, counted since the fault was set; 0: each
}

// Fault is what happens to a call. Make it with the functions of this file.
type Fault struct {
	err    *apiError // answered in place of the result
	after  bool      // and the call has its effect nevertheless
	drop   bool      // the connection is cut in place of an answer
	stale  bool      // a read sees the state before the last change
	reason string    // what the call begins ends badly, with this reason
}

// armed is a fault that waits for its call.
type armed struct {
	match Match
	fault Fault
	seen  int
}

// Throttle answers that there were too many requests; the call has no effect.
func Throttle() Fault {
	return Fault{err: &apiError{trouble: troubleThrottle, message: "Rate exceeded"}}
}

// DropBefore cuts the connection before the call has an effect.
func DropBefore() Fault { return Fault{drop: true} }

// DropAfter cuts the connection when the call has had its effect.
func DropAfter() Fault { return Fault{drop: true, after: true} }

// InternalBefore answers 500; the call has no effect.
func InternalBefore() Fault {
	return Fault{err: &apiError{trouble: troubleInternal, message: "We encountered an internal error. Please try again."}}
}

// InternalAfter answers 500 though the call has had its effect.
func InternalAfter() Fault {
	f := InternalBefore()
	f.after = true
	return f
}

// Unavailable answers 503; the call has no effect.
func Unavailable() Fault {
	return Fault{err: &apiError{trouble: troubleUnavailable, message: "The service is unavailable. Please try again shortly."}}
}

// Denied answers that the caller is not authorized.
func Denied() Fault {
	return Fault{err: &apiError{trouble: troubleDenied, message: "not authorized by a fault of the test"}}
}

// Expired answers that the session's token is expired.
func Expired() Fault {
	return Fault{err: &apiError{trouble: troubleExpired, message: "The security token included in the request is expired"}}
}

// Refuse answers a code of the service itself with HTTP status 400.
func Refuse(code, message string) Fault {
	return Fault{err: &apiError{status: http.StatusBadRequest, code: code, message: message}}
}

// Stale makes a read see the state before the last change.
func Stale() Fault { return Fault{stale: true} }

// Fails lets the call succeed, and what it begins end badly: a directory in
// Failed, a trust in Failed or VerifyFailed, a domain membership in
// enable-kerberos-failed.
func Fails(reason string) Fault { return Fault{reason: reason} }

// Fault sets a fault for calls to come. Of several that fit a call the one set
// first happens; the calls are counted for all.
func (c *Cloud) Fault(m Match, f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &armed{match: m, fault: f})
}

// ClearFaults takes back all faults.
func (c *Cloud) ClearFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// faultFor counts a call and returns the fault that happens to it.
func (c *Cloud) faultFor(service, action string) Fault {
	var found Fault
	done := false
	for _, a := range c.faults {
		m := a.match
		if m.Service != "" && m.Service != service || m.Action != "" && m.Action != action {
			continue
		}
		a.seen++
		if !done && (m.Nth == 0 || m.Nth == a.seen) {
			found, done = a.fault, true
		}
	}
	return found
}
