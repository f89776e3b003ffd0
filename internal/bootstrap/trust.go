package bootstrap

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
)

// trustStep is the guide's step 2: AWS's half of a forest trust.
type trustStep struct {
	*world
	ds    directoryCalls
	ec2   ec2Calls
	vault vault

	verifiedBefore *time.Time // the state's age when it was last asked to be verified, in this run
}

func (s *trustStep) name() string { return "trust" }

func (s *trustStep) look(ctx context.Context) (view, error) {
	want := s.Config.Trust
	v := view{is: "there is no trust with " + want.Domain, notes: s.unrouted()}
	if s.directory.shared {
		return v, advise("make the trust in the owner's account and leave bootstrap.trust out", "the directory %s is shared with this account: only its owner makes trusts", s.directory.id)
	}
	if s.directory.id == "" {
		v.do = []change{{what: "let the domain controllers out to " + prefixes(want.Networks)}, {what: s.what()}, {what: "verify the trust"}}
		return v, nil
	}
	rule, err := s.egress(ctx)
	if err != nil {
		return v, err
	}
	if rule != nil {
		v.do = append(v.do, *rule)
	}
	t, err := s.find(ctx)
	if err != nil {
		return v, err
	}
	if t == nil {
		password, store, err := s.vault.readOrStore(ctx, want.Password, "the trust", checkTrustPassword)
		if err != nil {
			return v, err
		}
		if store != nil {
			v.do = append(v.do, *store)
		}
		v.do = append(v.do, change{key: "create", what: s.what(), act: func(ctx context.Context) error { return s.create(ctx, password) }}, change{what: "verify the trust"})
		return v, nil
	}
	id := aws.ToString(t.TrustId)
	v.is, v.seen = fmt.Sprintf("%s with %s is %s", id, want.Domain, t.TrustState), true
	if err := s.acceptable(t); err != nil {
		return v, err
	}
	forward, err := s.forwarder(ctx)
	if err != nil {
		return v, err
	}
	if forward != nil {
		v.do = append(v.do, *forward)
	}
	return s.verification(v, t)
}

func (s *trustStep) what() string {
	want := s.Config.Trust
	direction := "one-way, " + s.Config.Directory.Name + " trusts " + want.Domain
	if want.TwoWay {
		direction = "two-way"
	}
	return fmt.Sprintf("create AWS's half of the forest trust with %s (%s), its names forwarded to %s", want.Domain, direction, addresses(want.DNSServers))
}

func (s *trustStep) find(ctx context.Context) (*types.Trust, error) {
	for p := directoryservice.NewDescribeTrustsPaginator(s.ds, &directoryservice.DescribeTrustsInput{DirectoryId: aws.String(s.directory.id)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing trusts: %w", err)
		}
		for _, t := range page.Trusts {
			gone := t.TrustState == types.TrustStateDeleted
			if !gone && strings.EqualFold(strings.TrimSuffix(aws.ToString(t.RemoteDomainName), "."), s.Config.Trust.Domain) {
				return &t, nil
			}
		}
	}
	return nil, nil
}

func (s *trustStep) direction() types.TrustDirection {
	if s.Config.Trust.TwoWay {
		return types.TrustDirectionTwoWay
	}
	return types.TrustDirectionOneWayOutgoing // as AWS sees it: our directory trusts the other
}

// acceptable says why a trust that is there will not do.
func (s *trustStep) acceptable(t *types.Trust) error {
	id, next := aws.ToString(t.TrustId), "delete it, on both sides, and run it again; or write what it is: a trust cannot be turned"
	switch {
	case t.TrustType == types.TrustTypeExternal:
		return advise(next, "the trust %s is an external one, and users need a forest trust", id)
	case t.TrustDirection != s.direction() && t.TrustDirection != types.TrustDirectionTwoWay:
		return advise(next, "the trust %s is %q, and %q is configured", id, t.TrustDirection, s.direction())
	case t.TrustDirection != s.direction():
		return advise("write direction: two-way", "the trust %s is %q, and %q is configured", id, t.TrustDirection, s.direction())
	}
	return nil
}

func (s *trustStep) create(ctx context.Context, password Secret) error {
	want := s.Config.Trust
	in := &directoryservice.CreateTrustInput{
		DirectoryId: aws.String(s.directory.id), RemoteDomainName: aws.String(want.Domain), TrustPassword: aws.String(string(password.Reveal())),
		TrustDirection: s.direction(), TrustType: types.TrustTypeForest, SelectiveAuth: types.SelectiveAuthDisabled,
	}
	if want.SelectiveAuth {
		in.SelectiveAuth = types.SelectiveAuthEnabled
	}
	in.ConditionalForwarderIpAddrs, in.ConditionalForwarderIpv6Addrs = families(want.DNSServers)
	_, err := s.ds.createTrust(ctx, in)
	if err != nil && !is[*types.EntityAlreadyExistsException](err) {
		return fmt.Errorf("creating the trust: %w", err)
	}
	return nil
}

// forwarder gives the change that makes the names of the other directory known,
// where that is not as it should be.
func (s *trustStep) forwarder(ctx context.Context) (*change, error) {
	want := s.Config.Trust
	out, err := s.ds.describeConditionalForwarders(ctx, &directoryservice.DescribeConditionalForwardersInput{DirectoryId: aws.String(s.directory.id), RemoteDomainNames: []string{want.Domain}})
	missing := is[*types.EntityDoesNotExistException](err)
	if err != nil && !missing {
		return nil, fmt.Errorf("reading the conditional forwarder: %w", err)
	}
	v4, v6 := families(want.DNSServers)
	if !missing && len(out.ConditionalForwarders) > 0 {
		f := out.ConditionalForwarders[0]
		if sameSet(f.DnsIpAddrs, v4) && sameSet(f.DnsIpv6Addrs, v6) {
			return nil, nil
		}
		return &change{key: "forwarder", what: "forward the names of " + want.Domain + " to " + addresses(want.DNSServers), act: func(ctx context.Context) error {
			_, err := s.ds.updateConditionalForwarder(ctx, &directoryservice.UpdateConditionalForwarderInput{DirectoryId: aws.String(s.directory.id),
				RemoteDomainName: aws.String(want.Domain), DnsIpAddrs: v4, DnsIpv6Addrs: v6})
			return err
		}}, nil
	}
	return &change{key: "forwarder", what: "forward the names of " + want.Domain + " to " + addresses(want.DNSServers), act: func(ctx context.Context) error {
		_, err := s.ds.createConditionalForwarder(ctx, &directoryservice.CreateConditionalForwarderInput{DirectoryId: aws.String(s.directory.id),
			RemoteDomainName: aws.String(want.Domain), DnsIpAddrs: v4, DnsIpv6Addrs: v6})
		if is[*types.EntityAlreadyExistsException](err) {
			return nil
		}
		return err
	}}, nil
}

// verification waits for a verdict on the trust, and asks for one where there is none.
func (s *trustStep) verification(v view, t *types.Trust) (view, error) {
	id := aws.ToString(t.TrustId)
	wait := &Wait{For: fmt.Sprintf("the trust %s to be verified (it is %s)", id, t.TrustState), Usual: "a few minutes", Every: 15 * time.Second, Budget: 10 * time.Minute}
	verify := change{key: "verify", what: "verify the trust", act: func(ctx context.Context) error {
		s.verifiedBefore = t.StateLastUpdatedDateTime
		if s.verifiedBefore == nil {
			s.verifiedBefore = new(time.Time)
		}
		_, err := s.ds.verifyTrust(ctx, &directoryservice.VerifyTrustInput{TrustId: aws.String(id)})
		return err
	}}
	switch t.TrustState {
	case types.TrustStateVerified:
		v.notes = nil
		return v, nil
	case types.TrustStateCreating, types.TrustStateUpdating, types.TrustStateVerifying:
		if len(v.do) == 0 {
			v.wait = wait
		}
		return v, nil
	case types.TrustStateCreated, types.TrustStateUpdated:
		v.do = append(v.do, verify)
		return v, nil
	case types.TrustStateVerifyFailed:
		before := s.verifiedBefore
		if len(v.do) > 0 || before == nil || t.StateLastUpdatedDateTime == nil || !t.StateLastUpdatedDateTime.After(*before) {
			v.do = append(v.do, verify)
			v.notes = append(v.notes, s.otherSide(aws.ToString(t.TrustStateReason)))
			return v, nil
		}
		v.blocked = s.otherSide(aws.ToString(t.TrustStateReason))
		return v, nil
	case types.TrustStateFailed, types.TrustStateUpdateFailed:
		return v, advise("delete it (aws ds delete-trust --region "+s.region+" --trust-id "+id+") and run it again. "+trustAdvice(aws.ToString(t.TrustStateReason)),
			"the trust %s is %s: %s", id, t.TrustState, plain(aws.ToString(t.TrustStateReason)))
	case types.TrustStateDeleting:
		v.wait = wait
		return v, nil
	}
	v.wait = wait
	return v, nil
}

func addresses(list []netip.Addr) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func prefixes(list []netip.Prefix) string {
	var out []string
	for _, p := range list {
		out = append(out, p.String())
	}
	return strings.Join(out, ", ")
}

func families(list []netip.Addr) (v4, v6 []string) {
	for _, a := range list {
		if a.Is4() {
			v4 = append(v4, a.String())
		} else {
			v6 = append(v6, a.String())
		}
	}
	return v4, v6
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func (s *trustStep) needs() []permission {
	var out []permission
	out = append(out, watch("ds:DescribeTrusts", "*"), watch("ds:DescribeConditionalForwarders", "*"), watch("ec2:DescribeSecurityGroups", "*"))
	for _, a := range []string{"CreateTrust", "VerifyTrust", "CreateConditionalForwarder", "UpdateConditionalForwarder"} {
		out = append(out, act("ds:"+a, "*"))
	}
	out = append(out, act("ec2:AuthorizeSecurityGroupEgress", "*"), act("ec2:CreateTags", "*"))
	return append(out, s.vault.needs(s.Config.Trust.Password, true)...)
}
