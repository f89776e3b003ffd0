package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

func (s *roleStep) name() string { return "role" }

// look finds the role, or says how it is made. One that is there has to let
// Aurora in and to reach the directory; where it does not, what is missing is
// said, or mended where the file consents to it.
func (s *roleStep) look(ctx context.Context) (view, error) {
	name := s.Config.Role.Name
	v := view{is: "there is no role " + name}
	services, err := s.services()
	if err != nil {
		return v, err
	}
	role, err := s.find(ctx)
	switch {
	case err != nil:
		return v, err
	case role == nil && !s.Config.Role.Manage:
		return v, advise("correct role.name; or leave role.manage out to have it made", "there is no role %s", name)
	case role == nil:
		v.do = []change{{key: "create", what: fmt.Sprintf("create the role %s for %s", name, strings.Join(services, " and ")),
			act: func(ctx context.Context) error { return s.create(ctx, services) }}, s.access()}
		return v, nil
	}
	v.is = "the role " + name
	var troubles []trouble
	for _, judge := range []func(context.Context, *types.Role, []string) (view, *trouble, error){s.entry, s.reach} {
		part, t, err := judge(ctx, role, services)
		if err != nil {
			return v, err
		}
		v.do, v.notes = append(v.do, part.do...), append(v.notes, part.notes...)
		if t != nil {
			troubles = append(troubles, *t)
		}
	}
	if len(v.do) == 0 && len(troubles) == 0 {
		return v, nil
	}
	// A cluster has joined by it: it does what it has to, whatever it looks like.
	joined, err := s.joined(ctx)
	if err != nil {
		return v, err
	}
	if joined {
		for _, c := range v.do {
			troubles = append(troubles, trouble{what: "by what is known here, this is missing: " + c.what})
		}
		v.do = nil
		for _, t := range troubles {
			v.notes = append(v.notes, t.what+"; the cluster "+s.Config.Cluster.Identifier+" has joined by it all the same, so it is left as it is")
		}
		return v, nil
	}
	if len(troubles) > 0 {
		return v, advise(troubles[0].next, "%s", troubles[0].what)
	}
	return v, nil
}

// trouble is what a role lacks that is not mended, and what to do about it.
type trouble struct{ what, next string }

// find returns the role, or nil.
func (s *roleStep) find(ctx context.Context) (*types.Role, error) {
	out, err := s.iam.getRole(ctx, &iam.GetRoleInput{RoleName: aws.String(s.Config.Role.Name)})
	switch {
	case is[*types.NoSuchEntityException](err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the role %s: %w", s.Config.Role.Name, err)
	}
	return out.Role, nil
}

// entry judges whether the role's trust policy lets Aurora use it.
func (s *roleStep) entry(_ context.Context, role *types.Role, services []string) (v view, t *trouble, err error) {
	name := s.Config.Role.Name
	text, err := unescape(role.AssumeRolePolicyDocument)
	if err != nil {
		return v, nil, fmt.Errorf("reading the trust policy of %s: %w", name, err)
	}
	policy, err := parsePolicy(text)
	if err != nil {
		return v, nil, fmt.Errorf("reading the trust policy of %s: %w", name, err)
	}
	c := caller{s.account, s.arn("rds", s.region, "cluster:"+s.Config.Cluster.Identifier)}
	by := map[verdict][]string{}
	for _, service := range services {
		by[policy.letsIn(service, c)] = append(by[policy.letsIn(service, c)], service)
	}
	if list := by[unjudged]; len(list) > 0 {
		v.notes = append(v.notes, fmt.Sprintf("the trust policy of %s lets %s in under conditions that kerbagent cannot evaluate: if the join "+
			"fails, look there first", name, strings.Join(list, " and ")))
	}
	if list := by[excluded]; len(list) > 0 {
		return v, &trouble{fmt.Sprintf("the trust policy of %s names %s, and its conditions or a Deny statement keep it out (the request is "+
			"for account %s and %s)", name, strings.Join(list, " and "), c.account, c.arn),
			"have the conditions of the role corrected; kerbagent does not widen them. Or take another role"}, nil
	}
	missing := by[lacking]
	if len(missing) == 0 {
		return v, nil, nil
	}
	if !s.Config.Role.RepairTrust {
		return v, &trouble{fmt.Sprintf("the role %s does not let %s in", name, strings.Join(missing, " and ")),
			"have it let in, or take another role; to have it done here, see what the role may do, and write role.repair_trust: true"}, nil
	}
	mended, err := letIn(text, missing, services)
	if err != nil {
		return v, nil, fmt.Errorf("reading the trust policy of %s: %w", name, err)
	}
	v.do = []change{{key: "trust", what: "let " + strings.Join(missing, " and ") + " use the role " + name + ", with all that it may do",
		act: func(ctx context.Context) error {
			_, err := s.iam.updateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String(name),
				PolicyDocument: aws.String(mended)})
			return err
		}}}
	return v, nil, nil
}

// reach judges whether the role's policies let it use the directory.
func (s *roleStep) reach(ctx context.Context, role *types.Role, _ []string) (v view, t *trouble, err error) {
	name := s.Config.Role.Name
	if !s.Config.Role.Manage {
		v.notes = append(v.notes, "what the role "+name+" may do is not looked at (role.manage: false): it "+
			"needs "+strings.Join(roleActions(), ", "))
		return v, nil, nil
	}
	if b := role.PermissionsBoundary; b != nil && aws.ToString(b.PermissionsBoundaryArn) != s.Config.Role.Boundary {
		v.notes = append(v.notes, "the role "+name+" has the permissions boundary "+plain(aws.ToString(b.PermissionsBoundaryArn))+", which has "+
			"to allow what it needs: "+strings.Join(roleActions(), ", "))
	}
	has, err := s.hasAccess(ctx)
	switch {
	case err != nil || has == granted:
		return v, nil, ofNewRole(err)
	case has == unjudged:
		v.notes = append(v.notes, "the policies of "+name+" let it reach the directory under conditions that kerbagent cannot evaluate: if the "+
			"join fails, look there first")
		return v, nil, nil
	case has == excluded:
		return v, &trouble{"a policy of the role " + name + " denies what Aurora does with a directory (" + strings.Join(roleActions(),
			", ") + ")", "have that corrected, or take another role"}, nil
	}
	ours := s.Config.Role.Repair || slices.ContainsFunc(role.Tags, func(t types.Tag) bool { return aws.ToString(t.Key) == ourTag })
	if !ours {
		return v, &trouble{fmt.Sprintf("the role %s is not kerbagent's, and has no access to the directory (it needs %s)", name,
			strings.Join(roleActions(), ", ")),
			"attach the managed policy AmazonRDSDirectoryServiceAccess, or write role.repair: true to have that done here; or take " +
				"another role"}, nil
	}
	v.do = []change{s.access()}
	return v, nil, nil
}

// access is the change that lets the role reach the directory.
func (s *roleStep) access() change {
	if s.Config.Role.Inline {
		return change{key: "access", what: "give it the policy " + inlinePolicy, act: s.put}
	}
	return change{key: "access", what: "attach the managed policy AmazonRDSDirectoryServiceAccess", act: s.attach}
}

// joined reports whether the cluster is a member of the directory by this role.
func (s *roleStep) joined(ctx context.Context) (bool, error) {
	c, err := awsapi.Cluster(ctx, s.rds.describeDBClusters, s.Config.Cluster.Identifier)
	if err != nil || c == nil {
		return false, err
	}
	for _, m := range c.DomainMemberships {
		status := aws.ToString(m.Status)
		if aws.ToString(m.IAMRoleName) == s.Config.Role.Name && (status == "kerberos-enabled" || status == "joined") {
			return true, nil
		}
	}
	return false, nil
}

func (s *roleStep) create(ctx context.Context, services []string) error {
	trust, err := letIn("", services, nil)
	if err != nil {
		return err
	}
	in := &iam.CreateRoleInput{RoleName: aws.String(s.Config.Role.Name), AssumeRolePolicyDocument: aws.String(trust),
		Path:                aws.String(s.Config.Role.Path),
		PermissionsBoundary: optional(s.Config.Role.Boundary), Description: aws.String("Lets Aurora reach the directory for Kerberos logins"),
		Tags: tagList(s.tags(), iamTag)}
	_, err = s.iam.createRole(ctx, in)
	if err != nil && !is[*types.EntityAlreadyExistsException](err) {
		return fmt.Errorf("creating the role: %w", err)
	}
	return nil
}

func (s *roleStep) attach(ctx context.Context) error {
	_, err := s.iam.attachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(s.Config.Role.Name),
		PolicyArn: aws.String(s.managed())})
	return ofNewRole(err)
}

// ofNewRole marks the answer that there is no such role or policy, where a read has just had the role: IAM shows what is new
// at one place sooner than at another ("Changes that I make are not always immediately visible", IAM User Guide).
func ofNewRole(err error) error {
	if is[*types.NoSuchEntityException](err) {
		return &notYetError{err, notYetBudget}
	}
	return err
}

func (s *roleStep) put(ctx context.Context) error {
	_, err := s.iam.putRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(s.Config.Role.Name), PolicyName: aws.String(inlinePolicy),
		PolicyDocument: aws.String(directoryAccess())})
	return ofNewRole(err)
}

// services returns those that the role must trust. They depend on the
// Region (Aurora user guide, "Kerberos authentication: Region and version
// availability"): opt-in Regions have one of their own, and for Regions opened
// after il-central-1 its name for Aurora MySQL is not written anywhere.
func (s *roleStep) services() ([]string, error) {
	if given := s.Config.Role.Principals; len(given) > 0 {
		return given, nil
	}
	out := []string{"directoryservice.rds.amazonaws.com", "rds.amazonaws.com"}
	optIn := []string{"af-south-1", "ap-east-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "eu-south-1", "eu-south-2", "eu-central-2",
		"me-south-1", "me-central-1", "il-central-1"}
	switch {
	case slices.Contains(awsapi.EnabledRegions(), s.region), s.partition != "aws" && s.partition != "aws-eusc":
		return out, nil
	case slices.Contains(optIn, s.region):
		return append(out, "directoryservice.rds."+s.region+".amazonaws.com"), nil
	}
	return nil, advise("ask AWS Support for the service principal of Kerberos for Aurora MySQL there, and write it: role.principals: "+
		"[rds.amazonaws.com, …]",
		"in the Region %s Aurora uses a service principal of its own, whose name AWS does not publish", s.region)
}

func iamTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

// needs are the permissions of step 3. Those that write a policy are held to
// what they are for: whoever may attach any policy to a role, or write any into
// it, may do anything.
func (s *roleStep) needs() []permission {
	r := s.Config.Role
	at := s.arn("iam", "", "role"+r.Path+r.Name)
	// Of a role that is not there nobody knows the path.
	out := []permission{watch("iam:GetRole", at), watch("iam:GetRole", s.arn("iam", "", "role/"+r.Name))}
	if !r.Manage {
		return out
	}
	limit := condition{}
	if r.Boundary != "" {
		limit = condition{"StringEquals", "iam:PermissionsBoundary", r.Boundary}
	}
	out = append(out, watch("iam:ListAttachedRolePolicies", at), watch("iam:ListRolePolicies", at), watch("iam:GetRolePolicy", at),
		watch("iam:GetPolicy", "*"), watch("iam:GetPolicyVersion", "*"), act("iam:CreateRole", at).when(limit), act("iam:TagRole", at))
	if r.RepairTrust {
		out = append(out, act("iam:UpdateAssumeRolePolicy", at))
	}
	if r.Inline {
		return append(out, act("iam:PutRolePolicy", at).when(limit))
	}
	return append(out, act("iam:AttachRolePolicy", at).when(condition{"ArnEquals", "iam:PolicyARN", s.managed()}))
}
