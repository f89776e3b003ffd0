package awstest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// How long a trust takes.
const (
	trustCreating  = 30 * time.Second
	trustVerifying = 45 * time.Second
)

// What AWS gives as TrustStateReason, as its troubleshooting page has it.
const (
	reasonUnreachable = "The specified domain either does not exist or could not be contacted. " +
		"Name: %s"
	reasonDenied = "Access is denied."
	reasonClash  = "The operation could not be performed on this domain."
)

func createTrust(r *request) (any, error) {
	var in struct {
		DirectoryID                                                               string `json:"DirectoryId"`
		RemoteDomainName, TrustPassword, TrustDirection, TrustType, SelectiveAuth string
		ConditionalForwarderIPAddrs                                               []string `json:"ConditionalForwarderIpAddrs"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	d, err := r.owned("CreateTrust", in.DirectoryID)
	if err != nil {
		return nil, err
	}
	domain := strings.ToLower(strings.TrimSuffix(in.RemoteDomainName, "."))
	switch {
	case domain == "" || in.TrustPassword == "":
		return nil, bad("InvalidParameterException", "RemoteDomainName and TrustPassword are required.")
	case !slices.Contains([]string{"One-Way: Outgoing", "One-Way: Incoming", "Two-Way"}, in.TrustDirection):
		return nil, bad("ValidationException", "Value '%s' at 'trustDirection' failed to satisfy constraint", in.TrustDirection)
	case len(in.ConditionalForwarderIPAddrs) > 4:
		return nil, bad("InvalidParameterException", "At most 4 DNS addresses.")
	}
	for _, t := range r.Trusts {
		if t.Directory == d.ID && strings.EqualFold(t.Domain, domain) {
			return nil, bad("EntityAlreadyExistsException", "A trust with %s exists.", domain)
		}
	}
	t := &Trust{ID: r.cloud.newID("t"), Directory: d.ID, Domain: domain, Direction: in.TrustDirection, Type: in.TrustType,
		Selective: in.SelectiveAuth,
		State:     "Creating", Password: in.TrustPassword, Created: r.now, Updated: r.now, Changed: r.now}
	def(&t.Type, "Forest")
	def(&t.Selective, "Disabled")
	if len(in.ConditionalForwarderIPAddrs) > 0 {
		if err := r.forward(d, domain, in.ConditionalForwarderIPAddrs, false); err != nil {
			return nil, err
		}
	}
	r.Trusts[t.ID] = t
	id, fails := t.ID, r.reason
	r.cloud.after(r.now.Add(trustCreating), func(st *state, at time.Time) {
		t := st.Trusts[id]
		first, _, _ := strings.Cut(t.Domain, ".")
		switch {
		case strings.EqualFold(first, st.Directories[t.Directory].ShortName):
			t.become("Failed", reasonClash, at)
		case t.Direction == "One-Way: Incoming":
			t.become("Created", "", at)
		default:
			t.become("Verifying", "", at)
			r.cloud.verify(id, at, fails)
		}
	})
	return map[string]string{"TrustId": t.ID}, nil
}

func (t *Trust) become(state, reason string, at time.Time) {
	t.State, t.Reason, t.Updated, t.Changed = state, reason, at, at
}

// verify plans the end of a verification.
func (c *Cloud) verify(id string, from time.Time, fails string) {
	c.after(from.Add(trustVerifying), func(st *state, at time.Time) {
		t := st.Trusts[id]
		t.Verifications++
		reason := fails
		if reason == "" {
			reason = c.trustProblem(st, t)
		}
		if reason != "" {
			t.become("VerifyFailed", reason, at)
			return
		}
		t.become("Verified", "", at)
	})
}

// trustProblem reports why a trust does not verify: the way to the other side's DNS
// servers first, then what the other side has.
func (c *Cloud) trustProblem(st *state, t *Trust) string {
	d := st.Directories[t.Directory]
	unreachable := fmt.Sprintf(reasonUnreachable, t.Domain)
	if len(d.Forwarders[t.Domain]) == 0 {
		return unreachable
	}
	for _, ip := range d.Forwarders[t.Domain] {
		if !d.routes(ip) {
			return unreachable
		}
		for _, way := range trustPorts() {
			if d.SecurityGroup != "" && !st.lets([]string{d.SecurityGroup}, way, ip) {
				return unreachable
			}
		}
	}
	other := st.OtherSides[t.Domain]
	switch {
	case c.options.OnVerifyTrust != nil:
		if err := c.options.OnVerifyTrust(copyOf(*t)); err != nil {
			return err.Error()
		}
	case other == nil:
		return unreachable
	case other.Password != t.Password:
		return reasonDenied
	}
	return ""
}

// routes reports whether a directory finds the way to an address: a public one needs
// a route (AddIpRoutes).
func (d *Directory) routes(ip string) bool {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	for cidr := range d.Routes {
		if p, err := netip.ParsePrefix(cidr); err == nil && p.Contains(a) {
			return true
		}
	}
	return a.IsPrivate() || !a.IsGlobalUnicast() || documentation(a)
}

// documentation reports whether an address is of RFC 5737: tests take those for private ones.
func documentation(a netip.Addr) bool {
	for _, p := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"} {
		if netip.MustParsePrefix(p).Contains(a) {
			return true
		}
	}
	return false
}

func verifyTrust(r *request) (any, error) {
	var in struct {
		TrustID string `json:"TrustId"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	t := r.Trusts[in.TrustID]
	resource := "*"
	if t != nil {
		resource = t.Directory
	}
	if err := r.allow("ds:VerifyTrust", r.cloud.regional("ds", "directory/"+resource)); err != nil {
		return nil, err
	}
	switch {
	case t == nil:
		return nil, bad("EntityDoesNotExistException", "Trust %s does not exist.", in.TrustID)
	case t.State == "Creating" || t.State == "Verifying":
		return nil, bad("ClientException", "Trust %s is in state %s.", t.ID, t.State)
	}
	t.become("Verifying", "", r.now)
	r.cloud.verify(t.ID, r.now, r.reason)
	return map[string]string{"TrustId": t.ID}, nil
}

func describeTrusts(r *request) (any, error) {
	var in struct {
		DirectoryID string   `json:"DirectoryId"`
		TrustIDs    []string `json:"TrustIds"`
		NextToken   string
		Limit       int
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	// The action knows no resource (Service Authorization Reference, AWS Directory Service).
	if err := r.allow("ds:DescribeTrusts", "*"); err != nil {
		return nil, err
	}
	switch d := r.Directories[in.DirectoryID]; {
	case in.DirectoryID == "":
	case d == nil:
		return nil, bad("EntityDoesNotExistException", "Directory %s in region %s does not exist.", in.DirectoryID, r.cloud.options.Region)
	case d.Type != "MicrosoftAD":
		return nil, bad("UnsupportedOperationException", "DescribeTrusts is not supported for directory %s.", d.ID)
	}
	list, missing := chosen(r.Trusts, in.TrustIDs)
	if missing != "" {
		return nil, bad("EntityDoesNotExistException", "Trust %s does not exist.", missing)
	}
	list = slices.DeleteFunc(list, func(t *Trust) bool { return in.DirectoryID != "" && t.Directory != in.DirectoryID })
	part, next := page(r, list, in.NextToken)
	out := []map[string]any{}
	for _, t := range part {
		o := map[string]any{"DirectoryId": t.Directory, "TrustId": t.ID, "RemoteDomainName": t.Domain, "TrustType": t.Type,
			"TrustDirection": t.Direction,
			"TrustState":     t.State, "SelectiveAuth": t.Selective, "CreatedDateTime": epoch(t.Created), "LastUpdatedDateTime": epoch(t.Updated),
			"StateLastUpdatedDateTime": epoch(t.Changed)}
		if t.Reason != "" {
			o["TrustStateReason"] = t.Reason
		}
		out = append(out, o)
	}
	return withToken(map[string]any{"Trusts": out}, next), nil
}

type forwarderInput struct {
	DirectoryID      string `json:"DirectoryId"`
	RemoteDomainName string
	DNSIPAddrs       []string `json:"DnsIpAddrs"`
}

// forward sets the DNS servers of a remote domain.
func (r *request) forward(d *Directory, domain string, ips []string, update bool) error {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	_, exists := d.Forwarders[domain]
	switch {
	case exists && !update:
		return bad("EntityAlreadyExistsException", "A conditional forwarder for %s exists.", domain)
	case !exists && update:
		return bad("EntityDoesNotExistException", "No conditional forwarder for %s.", domain)
	case len(ips) == 0:
		return bad("InvalidParameterException", "No DNS address.")
	}
	if d.Forwarders == nil {
		d.Forwarders = map[string][]string{}
	}
	d.Forwarders[domain] = ips
	return nil
}

func createForwarder(r *request) (any, error) {
	return r.setForwarder("CreateConditionalForwarder", false)
}
func updateForwarder(r *request) (any, error) {
	return r.setForwarder("UpdateConditionalForwarder", true)
}

func (r *request) setForwarder(action string, update bool) (any, error) {
	var in forwarderInput
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	d, err := r.owned(action, in.DirectoryID)
	if err != nil {
		return nil, err
	}
	return struct{}{}, r.forward(d, in.RemoteDomainName, in.DNSIPAddrs, update)
}

func describeForwarders(r *request) (any, error) {
	var in struct {
		DirectoryID       string `json:"DirectoryId"`
		RemoteDomainNames []string
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	d, err := r.owned("DescribeConditionalForwarders", in.DirectoryID)
	if err != nil {
		return nil, err
	}
	names := in.RemoteDomainNames
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(d.Forwarders))
	}
	out := []map[string]any{}
	for _, n := range names {
		ips, ok := d.Forwarders[strings.ToLower(strings.TrimSuffix(n, "."))]
		if !ok {
			return nil, bad("EntityDoesNotExistException", "No conditional forwarder for %s.", n)
		}
		out = append(out, map[string]any{"RemoteDomainName": n, "DnsIpAddrs": ips, "ReplicationScope": "Domain"})
	}
	return map[string]any{"ConditionalForwarders": out}, nil
}
