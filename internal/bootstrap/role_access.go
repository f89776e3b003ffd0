package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// inlinePolicy is the name of the guide's role policy, where it is used in
// place of the managed one.
const inlinePolicy = "kerbagent-directory-access"

// roleActions returns the guide's: what Aurora does with a directory.
func roleActions() []string {
	return []string{"ds:DescribeDirectories", "ds:AuthorizeApplication", "ds:UnauthorizeApplication", "ds:GetAuthorizedApplicationDetails"}
}

// directoryAccess is the guide's role policy.
func directoryAccess() string {
	return policyText(policy{Version: "2012-10-17", Statement: []statement{{Effect: "Allow", Action: roleActions(), Resource: []string{"*"}}}})
}

// roleStep is the guide's step 3: the role by which Aurora reaches the directory.
type roleStep struct {
	*world
	iam iamCalls
	rds rdsCalls
}

func (s *roleStep) managed() string {
	return "arn:" + s.partition + ":iam::aws:policy/service-role/AmazonRDSDirectoryServiceAccess"
}

// hasAccess weighs all policies of the role: the managed one is known by its ARN, all
// others are read.
func (s *roleStep) hasAccess(ctx context.Context) (verdict, error) {
	name := aws.String(s.Config.Role.Name)
	var texts []string
	for p := iam.NewListAttachedRolePoliciesPaginator(s.iam, &iam.ListAttachedRolePoliciesInput{RoleName: name}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return lacking, fmt.Errorf("reading the role's policies: %w", err)
		}
		for _, a := range page.AttachedPolicies {
			if aws.ToString(a.PolicyArn) == s.managed() {
				texts = append(texts, directoryAccess()) // the others may deny it
				continue
			}
			text, err := s.attached(ctx, a.PolicyArn)
			if err != nil {
				return lacking, err
			}
			texts = append(texts, text)
		}
	}
	for p := iam.NewListRolePoliciesPaginator(s.iam, &iam.ListRolePoliciesInput{RoleName: name}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return lacking, fmt.Errorf("reading the role's policies: %w", err)
		}
		for _, n := range page.PolicyNames {
			out, err := s.iam.getRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String(n)})
			if err != nil {
				return lacking, fmt.Errorf("reading the role's policy %s: %w", n, err)
			}
			text, err := unescape(out.PolicyDocument)
			if err != nil {
				return lacking, fmt.Errorf("reading the role's policy %s: %w", n, err)
			}
			texts = append(texts, text)
		}
	}
	return s.weigh(texts)
}

// attached reads the text of a managed policy in its version that counts.
func (s *roleStep) attached(ctx context.Context, arn *string) (string, error) {
	p, err := s.iam.getPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn})
	if err != nil {
		return "", fmt.Errorf("reading the policy %s: %w", aws.ToString(arn), err)
	}
	out, err := s.iam.getPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: p.Policy.DefaultVersionId})
	if err != nil {
		return "", fmt.Errorf("reading the policy %s: %w", aws.ToString(arn), err)
	}
	return unescape(out.PolicyVersion.Document)
}

// weigh returns the least verdict of the actions that the role needs.
func (s *roleStep) weigh(texts []string) (verdict, error) {
	var policies []document
	for _, text := range texts {
		d, err := parsePolicy(text)
		if err != nil {
			return lacking, fmt.Errorf("reading a policy of the role: %w", err)
		}
		policies = append(policies, d)
	}
	directory := s.arn("ds", s.region, "directory/"+cmp.Or(s.directory.id, "d-"))
	out := granted
	for _, action := range roleActions() {
		on := []string{"*", directory}
		if action == "ds:DescribeDirectories" { // knows no resources (Service Authorization Reference)
			on = on[:1]
		}
		switch v := allows(policies, action, on...); {
		case v == excluded:
			return v, nil
		case v < out:
			out = v
		}
	}
	return out, nil
}

// unescape decodes a policy as IAM sends it: percent-encoded (RFC 3986).
func unescape(text *string) (string, error) {
	return url.PathUnescape(aws.ToString(text))
}
