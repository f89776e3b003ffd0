package awstest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody is far above what any of these services takes.
const maxBody = 1 << 20

// action is one operation of a service. run checks what it is allowed to do, then
// acts on the request's state and returns the answer.
type action struct {
	mutating bool
	run      func(*request) (any, error)
}

// request is a call that is being answered; the cloud is locked meanwhile.
type request struct {
	*state // for reads as old as the cloud lets them be
	cloud  *Cloud
	who    *principal
	now    time.Time
	body   []byte
	form   *form
	reason string // what is begun ends badly, see Fails
	needed []Permission
}

// served is a call with its answer.
type served struct {
	call   Call
	answer any
	err    *apiError
	drop   bool
}

func (c *Cloud) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	s, signed := parseScope(r.Header.Get("Authorization"))
	name := r.Header.Get("X-Amz-Target")
	fields, _ := url.ParseQuery(string(body))
	if name == "" {
		name = fields.Get("Action")
	}
	call := Call{Service: s.service, Action: name[strings.LastIndex(name, ".")+1:], AccessKey: s.key,
		ContentType: r.Header.Get("Content-Type"), Request: body}
	if !signed {
		call.Service = "ec2" // any: it is not known which one was meant
	}
	if c.options.OnCall != nil {
		c.options.OnCall(call, false)
	}
	out := c.handle(r, call, s, signed, fields)
	if c.options.OnCall != nil {
		c.options.OnCall(out.call, true)
	}
	if out.drop {
		panic(http.ErrAbortHandler) // net/http's way to cut a connection
	}
	// The Date lets clients correct their clock.
	w.Header().Set("Date", c.options.Wall().UTC().Format(http.TimeFormat))
	w.Header().Set("X-Amzn-Requestid", out.call.id())
	w.Header().Set("Content-Type", contentType(out.call.Service))
	w.WriteHeader(out.call.Status)
	_, _ = w.Write(out.call.Response) // a client that hung up has no use for it
}

// handle answers a call and keeps it.
func (c *Cloud) handle(r *http.Request, call Call, s scope, signed bool, fields url.Values) served {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	call.Number, call.At = len(c.calls)+1, c.now()
	out := served{call: call}
	fault := c.faultFor(call.Service, call.Action)
	act, known := c.actions[s.service][call.Action]
	out.call.Mutating = known && act.mutating
	switch {
	case !signed:
		out.err = &apiError{trouble: troubleNoToken, message: "Missing Authentication Token"}
	case !known:
		out.err = bad("InvalidAction", "awstest knows no action %s of %q", call.Action, s.service)
	case fault.drop && !fault.after:
		out.drop = true
	default:
		c.run(r, &out, act, s, fields, fault)
	}
	c.write(&out)
	c.calls = append(c.calls, out.call)
	return out
}

// run lets an action act, as far as the caller may and the fault lets it.
func (c *Cloud) run(r *http.Request, out *served, act action, s scope, fields url.Values, fault Fault) {
	who, refused := c.authenticate(r, out.call.Request, s)
	switch {
	case refused != nil:
		out.err = refused
		return
	case fault.err != nil && !fault.after:
		out.err = fault.err
		return
	}
	req := &request{cloud: c, who: who, now: c.now(), body: out.call.Request, form: newForm(fields), reason: fault.reason, state: c.state}
	if !act.mutating {
		req.state = c.view(fault.stale)
	}
	answer, err := act.run(req)
	out.call.Permissions = req.needed
	if err != nil {
		if !errors.As(err, &out.err) {
			out.err = bad("ValidationException", "%v", err)
		}
		return
	}
	out.answer, out.call.Effect = answer, true
	if act.mutating {
		c.remember()
	}
	out.err, out.drop = fault.err, fault.drop
}

// allow demands a permission. The message is the one that AWS's services share.
func (r *request) allow(action, resource string, context ...string) error {
	p := Permission{Action: action, Resource: resource, Context: map[string]string{"aws:RequestedRegion": r.cloud.options.Region}}
	for i := 0; i+1 < len(context); i += 2 {
		p.Context[context[i]] = context[i+1]
	}
	r.needed = append(r.needed, p)
	why := "because no identity-based policy allows the " + action + " action"
	switch decide(r.who.policies, p) {
	case allowed:
		return nil
	case explicitDeny:
		why = "with an explicit deny in an identity-based policy"
	}
	return &apiError{trouble: troubleDenied, message: "User: " + r.who.arn + " is not authorized to perform: " + action +
		" on resource: " + resource + " " + why}
}

// decode reads the members of a JSON request. One that is not known here is
// refused: AWS would do something with it.
func (r *request) decode(into any) error {
	d := json.NewDecoder(strings.NewReader(string(r.body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return bad("SerializationException", "awstest: %v", err)
	}
	return nil
}
