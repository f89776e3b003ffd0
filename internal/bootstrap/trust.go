package bootstrap

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func (s *trustStep) name() string { return "trust" }

func (s *trustStep) look(ctx context.Context) (view, error) {
	want := s.Config.Trust
	v := view{is: "there is no trust with " + want.Domain, notes: s.unrouted()}
	if s.directory.shared {
		return v, advise("make the trust in the owner's account and leave bootstrap.trust out",
			"the directory %s is shared with this account: only its owner makes trusts", s.directory.id)
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
		v.do = append(v.do, change{key: "create", what: s.what(), act: func(ctx context.Context) error { return s.create(ctx, password) }},
			change{what: "verify the trust"})
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

func (s *trustStep) needs() []permission {
	var out []permission
	out = append(out, watch("ds:DescribeTrusts", "*"), watch("ds:DescribeConditionalForwarders", "*"),
		watch("ec2:DescribeSecurityGroups", "*"))
	for _, a := range []string{"CreateTrust", "VerifyTrust", "CreateConditionalForwarder", "UpdateConditionalForwarder"} {
		out = append(out, act("ds:"+a, "*"))
	}
	out = append(out, act("ec2:AuthorizeSecurityGroupEgress", "*"), act("ec2:CreateTags", "*"))
	return append(out, s.vault.needs(s.Config.Trust.Password, true)...)
}
