package bootstrap

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// inlinePolicy is the name of the guide's role policy, where it is used in
// place of the managed one.
const inlinePolicy = "kerbagent-directory-access"

// roleStep is the guide's step 3: the role by which Aurora reaches the directory.
type roleStep struct {
	*world
	iam iamCalls
}

func (s *roleStep) name() string { return "role" }

func (s *roleStep) look(ctx context.Context) (view, error) {
	name := s.Config.Role.Name
	v := view{is: "there is no role " + name}
	principals, err := s.principals()
	if err != nil {
		return v, err
	}
	access := change{key: "access", what: "give it the managed policy AmazonRDSDirectoryServiceAccess", act: s.attach}
	if s.Config.Role.Inline {
		access = change{key: "access", what: "give it the policy " + inlinePolicy, act: s.put}
	}
	out, err := s.iam.getRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	if is[*types.NoSuchEntityException](err) {
		v.do = []change{{key: "create", what: fmt.Sprintf("create the role %s for %s", name, strings.Join(principals, " and ")),
			act: func(ctx context.Context) error { return s.create(ctx, principals) }}, access}
		return v, nil
	}
	if err != nil {
		return v, fmt.Errorf("reading the role %s: %w", name, err)
	}
	v.is = "the role " + name
	ours := s.Config.Role.Repair || slices.ContainsFunc(out.Role.Tags, func(t types.Tag) bool { return aws.ToString(t.Key) == ourTag })
	trust, err := url.QueryUnescape(strings.ReplaceAll(aws.ToString(out.Role.AssumeRolePolicyDocument), "+", "%2B"))
	if err != nil {
		return v, fmt.Errorf("reading the trust policy of %s: %w", name, err)
	}
	if lacking := lackingPrincipals(trust, principals); len(lacking) > 0 {
		mended, err := addPrincipals(trust, lacking)
		if err != nil {
			return v, fmt.Errorf("reading the trust policy of %s: %w", name, err)
		}
		if !ours {
			return v, advise("to have it mended, write role.repair: true; or take another role", "the role %s is not kerbagent's, and does not let %s in", name, strings.Join(lacking, " and "))
		}
		v.do = append(v.do, change{key: "trust", what: "let " + strings.Join(lacking, " and ") + " use the role " + name, act: func(ctx context.Context) error {
			_, err := s.iam.updateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String(name), PolicyDocument: aws.String(mended)})
			return err
		}})
	}
	has, err := s.hasAccess(ctx)
	if err != nil {
		return v, err
	}
	if !has {
		if !ours {
			return v, advise("attach it, or write role.repair: true to have it attached; or take another role",
				"the role %s is not kerbagent's, and has no access to the directory (%s)", name, access.what)
		}
		v.do = append(v.do, access)
	}
	return v, nil
}

func (s *roleStep) managed() string {
	return "arn:" + s.partition + ":iam::aws:policy/service-role/AmazonRDSDirectoryServiceAccess"
}

func (s *roleStep) hasAccess(ctx context.Context) (bool, error) {
	name := aws.String(s.Config.Role.Name)
	if s.Config.Role.Inline {
		out, err := s.iam.getRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String(inlinePolicy)})
		if is[*types.NoSuchEntityException](err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading the role's policy: %w", err)
		}
		have, err := url.QueryUnescape(strings.ReplaceAll(aws.ToString(out.PolicyDocument), "+", "%2B"))
		return have == s.document(), err
	}
	for p := iam.NewListAttachedRolePoliciesPaginator(s.iam, &iam.ListAttachedRolePoliciesInput{RoleName: name}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return false, fmt.Errorf("reading the role's policies: %w", err)
		}
		for _, a := range page.AttachedPolicies {
			if aws.ToString(a.PolicyArn) == s.managed() {
				return true, nil
			}
		}
	}
	return false, nil
}

func (s *roleStep) create(ctx context.Context, principals []string) error {
	trust, err := addPrincipals("", principals)
	if err != nil {
		return err
	}
	in := &iam.CreateRoleInput{RoleName: aws.String(s.Config.Role.Name), AssumeRolePolicyDocument: aws.String(trust), Path: aws.String("/"),
		Description: aws.String("Lets Aurora reach the directory for Kerberos logins")}
	in.Tags = tagList(s.tags(), iamTag)
	_, err = s.iam.createRole(ctx, in)
	if err != nil && !is[*types.EntityAlreadyExistsException](err) {
		return fmt.Errorf("creating the role: %w", err)
	}
	return nil
}

func (s *roleStep) attach(ctx context.Context) error {
	_, err := s.iam.attachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(s.Config.Role.Name), PolicyArn: aws.String(s.managed())})
	return err
}

func (s *roleStep) put(ctx context.Context) error {
	_, err := s.iam.putRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(s.Config.Role.Name), PolicyName: aws.String(inlinePolicy), PolicyDocument: aws.String(s.document())})
	return err
}

// document is the guide's role policy.
func (s *roleStep) document() string {
	return policyText(policy{Version: "2012-10-17", Statement: []statement{{Effect: "Allow", Action: roleActions(), Resource: []string{"*"}}}})
}

// principals are the services that the role must trust. They depend on the
// Region (Aurora user guide, "Kerberos authentication: Region and version
// availability"): opt-in Regions have one of their own, and for Regions opened
// after il-central-1 its name for Aurora MySQL is not written anywhere.
func (s *roleStep) principals() ([]string, error) {
	if given := s.Config.Role.Principals; len(given) > 0 {
		return given, nil
	}
	out := []string{"directoryservice.rds.amazonaws.com", "rds.amazonaws.com"}
	first := []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
		"ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "sa-east-1"}
	optIn := []string{"af-south-1", "ap-east-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "eu-south-1", "eu-south-2", "eu-central-2",
		"me-south-1", "me-central-1", "il-central-1"}
	switch {
	case slices.Contains(first, s.region), s.partition != "aws" && s.partition != "aws-eusc":
		return out, nil
	case slices.Contains(optIn, s.region):
		return append(out, "directoryservice.rds."+s.region+".amazonaws.com"), nil
	}
	return nil, advise("ask AWS Support for the service principal of Kerberos for Aurora MySQL there, and write it: role.principals: [rds.amazonaws.com, …]",
		"in the Region %s Aurora uses a service principal of its own, whose name AWS does not publish", s.region)
}

func (s *roleStep) needs() []permission {
	at := s.arn("iam", "", "role/"+s.Config.Role.Name)
	out := []permission{watch("iam:GetRole", at), act("iam:CreateRole", at), act("iam:TagRole", at)}
	if s.Config.Role.Repair {
		out = append(out, act("iam:UpdateAssumeRolePolicy", at))
	}
	if s.Config.Role.Inline {
		return append(out, watch("iam:GetRolePolicy", at), act("iam:PutRolePolicy", at))
	}
	return append(out, watch("iam:ListAttachedRolePolicies", at), act("iam:AttachRolePolicy", at))
}

func iamTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }
