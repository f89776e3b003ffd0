package bootstrap

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// The two documents of the Aurora user guide, "Step 3: Create an IAM role".
const (
	guideTrust = `{"Version": "2012-10-17", "Statement": [{"Sid": "", "Effect": "Allow", "Principal": {"Service": ["directoryservice.rds.amazonaws.com", "rds.amazonaws.com"]}, "Action": "sts:AssumeRole"}]}`
	guideRole  = `{"Version": "2012-10-17", "Statement": [{"Action": ["ds:DescribeDirectories", "ds:AuthorizeApplication", "ds:UnauthorizeApplication", "ds:GetAuthorizedApplicationDetails"], "Effect": "Allow", "Resource": "*"}]}`
	// One that was hardened as AWS recommends.
	hardened = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": [SERVICES]}, "Action": "sts:AssumeRole",
		"Condition": {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}, "ArnLike": {"aws:SourceArn": "arn:aws:rds:us-east-1:ACCOUNT:cluster:*"}}}]}`
	roleName = "rds-directoryservice-kerberos-access-role"
)

func hardenedFor(account string, services ...string) string {
	return strings.NewReplacer("ACCOUNT", account, "SERVICES", `"`+strings.Join(services, `", "`)+`"`).Replace(hardened)
}

// A role is judged by what its policies allow: whoever made it by the guide's own
// documents, under whatever names, and hardened it, has a good one. It used to be
// refused, and with repair an unconditional Allow was put beside its conditions.
func TestRolesOfOthersAreJudgedByWhatTheyAllow(t *testing.T) {
	t.Parallel()
	both := []string{"directoryservice.rds.amazonaws.com", "rds.amazonaws.com"}
	for name, c := range map[string]struct {
		role  awstest.Role
		wish  string   // of the role, in the file
		ends  Exit     // ExitDone: it is taken
		words []string // said
		same  bool     // nothing of it is changed
	}{
		"the guide's documents verbatim":    {role: awstest.Role{Trust: guideTrust, Inline: map[string]string{"whatever": guideRole}}, same: true},
		"a customer's policy":               {role: awstest.Role{Trust: guideTrust, Attached: []string{"CUSTOMER"}}, same: true},
		"hardened, for this account":        {role: awstest.Role{Trust: hardenedFor("123456789012", both...), Inline: map[string]string{"x": guideRole}}, wish: "repair: true, repair_trust: true", same: true},
		"hardened, for another account":     {role: awstest.Role{Trust: hardenedFor("210987654321", both...), Inline: map[string]string{"x": guideRole}}, wish: "repair: true, repair_trust: true", ends: ExitFailed, words: []string{"conditions", "123456789012", "does not widen"}, same: true},
		"a service is missing, and repair":  {role: awstest.Role{Trust: hardenedFor("123456789012", both[1]), Inline: map[string]string{"x": guideRole}}, wish: "repair: true", ends: ExitFailed, words: []string{both[0], "role.repair_trust"}, same: true},
		"a service is missing, and consent": {role: awstest.Role{Trust: hardenedFor("123456789012", both[1]), Inline: map[string]string{"x": guideRole}}, wish: "repair_trust: true"},
		"denied to the service":             {role: awstest.Role{Trust: strings.Replace(guideTrust, `[{"Sid"`, `[{"Effect": "Deny", "Principal": {"Service": "rds.amazonaws.com"}, "Action": "sts:*"}, {"Sid"`, 1), Inline: map[string]string{"x": guideRole}}, wish: "repair_trust: true", ends: ExitFailed, words: []string{"Deny statement"}, same: true},
		"no access":                         {role: awstest.Role{Trust: guideTrust, Inline: map[string]string{"x": strings.Replace(guideRole, `"ds:AuthorizeApplication", `, "", 1)}}, ends: ExitFailed, words: []string{"no access to the directory", "role.repair"}, same: true},
		"access denied":                     {role: awstest.Role{Trust: guideTrust, Inline: map[string]string{"x": guideRole, "y": strings.Replace(guideRole, "Allow", "Deny", 1)}}, wish: "repair: true", ends: ExitFailed, words: []string{"denies"}, same: true},
		"for anybody":                       {role: awstest.Role{Trust: strings.Replace(guideTrust, `{"Service": ["directoryservice.rds.amazonaws.com", "rds.amazonaws.com"]}`, `"*"`, 1)}, ends: ExitFailed, words: []string{"does not let"}, same: true},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			c.role.Name = roleName
			if arn := cloud.AddPolicy("reach-directory", guideRole); len(c.role.Attached) > 0 {
				c.role.Attached = []string{arn}
			}
			before := c.role.Trust
			cloud.AddRole(c.role)
			h := newHost(t, cloud, wish(modifyMode, "  role: {"+c.wish+"}\n"))
			if c.ends == ExitDone {
				h.done()
			} else {
				h.fails(c.ends, c.words...)
			}
			after := cloud.Roles()[0]
			if same := after.Trust == before && len(after.Attached) == len(c.role.Attached) && len(after.Inline) == len(c.role.Inline); same != c.same {
				t.Errorf("left as it was: %v, want %v: %+v", same, c.same, after)
			}
			var doc document
			if err := json.Unmarshal([]byte(after.Trust), &doc); err != nil {
				t.Fatal(err)
			}
			for _, st := range doc.Statement {
				if len(st.Condition) == 0 && strings.Contains(before, "Condition") {
					t.Errorf("an Allow without the conditions that were there: %s", after.Trust)
				}
			}
		})
	}
}

// A condition that cannot be evaluated is said, and decides nothing.
func TestUnknownConditionsOfARoleAreSaid(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	cloud.AddRole(awstest.Role{Name: roleName, Inline: map[string]string{"x": guideRole},
		Trust: strings.Replace(guideTrust, `"Action"`, `"Condition": {"StringEqualsIgnoreCase": {"aws:RequestedRegion": "us-east-1"}}, "Action"`, 1)})
	h := newHost(t, cloud, wish(modifyMode, ""))
	rep, err := Plan(t.Context(), h.options())
	if err != nil || len(rep.Steps[1].Missing) > 0 || !strings.Contains(strings.Join(rep.Steps[1].Notes, ""), "cannot evaluate") {
		t.Errorf("%+v, %v", rep.Steps[1], err)
	}
}

// A role by which the cluster has joined works, whatever it looks like: it is
// left alone, even with every consent.
func TestARoleThatWorksIsLeftAlone(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	h := newHost(t, cloud, wish(modifyMode, ""))
	addOrders(cloud)
	h.done()
	odd := awstest.Role{Name: roleName, Trust: strings.Replace(guideTrust, `"directoryservice.rds.amazonaws.com", `, "", 1), Inline: map[string]string{}}
	cloud.AddRole(odd)
	again := newHost(t, cloud, wish(modifyMode, "  role: {repair: true, repair_trust: true}\n"))
	again.people, again.database = h.people, h.database
	rep := again.done()
	if got := cloud.Roles()[0]; got.Trust != odd.Trust || len(got.Attached) > 0 {
		t.Errorf("changed: %+v", got)
	}
	if notes := strings.Join(rep.Steps[1].Notes, "\n"); !strings.Contains(notes, "has joined by it all the same") {
		t.Errorf("said %q", notes)
	}
}

// A role that somebody else makes takes two permissions of IAM's and no more.
func TestRoleOfSomebodyElse(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	h := newHost(t, cloud, wish(modifyMode, "  role: {manage: false, path: /service/}\n"))
	text := h.policy(ForApply)
	var doc policy
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	var iamActions []string
	for _, st := range doc.Statement {
		for _, a := range st.Action {
			if strings.HasPrefix(a, "iam:") && a != "iam:ListAccountAliases" {
				iamActions = append(iamActions, a)
			}
		}
	}
	if got := strings.Join(iamActions, " "); got != "iam:GetRole iam:PassRole" {
		t.Errorf("it wants %s", got)
	}
	h.as(text)
	h.fails(ExitFailed, "there is no role "+roleName, "role.manage")
	cloud.AddRole(awstest.Role{Name: roleName, Path: "/service/", Trust: guideTrust, Inline: map[string]string{"x": guideRole}})
	h.done()
}

// Whoever holds the printed policy cannot become an administrator by it, in any
// of the ways that are known for IAM's role permissions.
func TestThePrintedPolicyCannotBeUsedToEscalate(t *testing.T) {
	t.Parallel()
	const admin = "arn:aws:iam::aws:policy/AdministratorAccess"
	boundary := "arn:aws:iam::123456789012:policy/limit"
	for name, c := range map[string]struct {
		role string
		safe bool
	}{
		"managed":                        {"", true},
		"managed, repaired":              {"repair: true", true},
		"somebody else's":                {"manage: false", true},
		"inline with a boundary":         {"policy: inline, permissions_boundary: \"" + boundary + "\"", true},
		"inline without one":             {"policy: inline", false},
		"with consent to change a trust": {"repair_trust: true", false},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{NoLinkedRole: true})
			cloud.AddPolicy("limit", guideRole)
			h := newHost(t, cloud, wish(createMode, "  role: {"+c.role+"}\n"))
			h.as(h.policy(ForApply))
			k := iam.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(cloud.URL()), Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")})
			ctx, everything := t.Context(), aws.String(awstest.Everything)
			mine := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/operator"},"Action":"sts:AssumeRole"}]}`)
			// A stronger role of that name, or one that the holder has made for itself.
			for _, mode := range []string{"there already", "made by the holder", "made by the holder with the boundary"} {
				cloud.AddRole(awstest.Role{Name: "stronger", Trust: guideTrust, Attached: []string{admin}})
				if mode == "there already" {
					cloud.AddRole(awstest.Role{Name: roleName, Trust: guideTrust, Attached: []string{admin}})
				} else {
					cloud.RemoveRole(roleName)
					in := &iam.CreateRoleInput{RoleName: aws.String(roleName), AssumeRolePolicyDocument: mine}
					if strings.HasSuffix(mode, "boundary") {
						in.PermissionsBoundary = aws.String(boundary)
					}
					if _, err := k.CreateRole(ctx, in); err != nil {
						continue
					}
				}
				var ways []string
				try := func(way string, err error) {
					if err == nil {
						ways = append(ways, way)
					}
				}
				for _, role := range []string{roleName, "stronger"} {
					_, err := k.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(role), PolicyArn: aws.String(admin)})
					try("attach another policy to "+role, err)
					_, err = k.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String("p"), PolicyDocument: everything})
					if r := find(cloud.Roles(), role); r.Boundary != boundary { // what has the boundary can do no more than it
						try("write a policy into "+role, err)
					}
					_, err = k.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String(role), PolicyDocument: mine})
					try("take "+role, err)
					_, err = k.TagRole(ctx, &iam.TagRoleInput{RoleName: aws.String("stronger"), Tags: []types.Tag{{Key: aws.String(ourTag), Value: aws.String("x")}}})
					try("tag another role", err)
				}
				_, err := k.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("another"), AssumeRolePolicyDocument: mine})
				try("make a role of another name", err)
				for _, p := range knownWays(boundary) {
					if cloud.Allows(accessKey, p) {
						ways = append(ways, fmt.Sprint(p))
					}
				}
				if c.safe && len(ways) > 0 {
					t.Errorf("with a role %s: %s", mode, strings.Join(ways, "; "))
				}
			}
			cfg := h.options().Config
			if warned := len(PolicyWarnings(cfg)) > 0; warned == c.safe {
				t.Errorf("warned: %v", PolicyWarnings(cfg))
			}
		})
	}
}

// knownWays are requests by which somebody has gained more than was granted, as lists of
// the privilege escalations of IAM have them: another service that takes the role, the
// policy that bounds it, users, groups, keys and sessions.
func knownWays(boundary string) []awstest.Permission {
	const account = "arn:aws:iam::123456789012:"
	own, bounded := account+"role/"+roleName, map[string]string{"iam:PermissionsBoundary": boundary}
	out := []awstest.Permission{
		{Action: "iam:PassRole", Resource: account + "role/stronger", Context: map[string]string{"iam:PassedToService": "rds.amazonaws.com"}},
		{Action: "iam:CreateServiceLinkedRole", Resource: account + "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS", Context: map[string]string{"iam:AWSServiceName": "ecs.amazonaws.com"}},
	}
	for _, service := range []string{"ec2", "lambda", "ecs-tasks", "glue", "cloudformation", "sagemaker", "datapipeline", "codebuild", "states", "ssm", "export.rds", "monitoring.rds"} {
		out = append(out, awstest.Permission{Action: "iam:PassRole", Resource: own, Context: map[string]string{"iam:PassedToService": service + ".amazonaws.com"}})
	}
	for resource, actions := range map[string]string{
		own:                            "iam:DeleteRolePermissionsBoundary iam:UpdateRole iam:DetachRolePolicy iam:DeleteRolePolicy iam:DeleteRole iam:UntagRole sts:AssumeRole sts:TagSession",
		account + "role/stronger":      "sts:AssumeRole iam:UpdateAssumeRolePolicy iam:PutRolePermissionsBoundary",
		boundary:                       "iam:CreatePolicyVersion iam:SetDefaultPolicyVersion iam:DeletePolicyVersion iam:DeletePolicy",
		account + "policy/new":         "iam:CreatePolicy",
		account + "user/operator":      "iam:PutUserPolicy iam:AttachUserPolicy iam:DeleteUserPermissionsBoundary iam:PutUserPermissionsBoundary iam:DetachUserPolicy",
		account + "user/root-like":     "iam:CreateUser iam:CreateAccessKey iam:CreateLoginProfile iam:UpdateLoginProfile iam:DeactivateMFADevice iam:ResetServiceSpecificCredential",
		account + "group/admins":       "iam:PutGroupPolicy iam:AttachGroupPolicy iam:AddUserToGroup iam:CreateGroup",
		account + "instance-profile/x": "iam:AddRoleToInstanceProfile iam:CreateInstanceProfile",
		account + "saml-provider/x":    "iam:CreateSAMLProvider iam:UpdateSAMLProvider",
		"arn:aws:lambda:us-east-1:123456789012:function:x":                           "lambda:CreateFunction lambda:UpdateFunctionCode lambda:InvokeFunction",
		"arn:aws:ec2:us-east-1:123456789012:instance/i-1":                            "ec2:RunInstances ec2:AssociateIamInstanceProfile",
		"arn:aws:cloudformation:us-east-1:123456789012:stack/x/1":                    "cloudformation:CreateStack cloudformation:UpdateStack",
		"arn:aws:secretsmanager:us-east-1:123456789012:secret:somebody-elses-AbCdEf": "secretsmanager:GetSecretValue secretsmanager:PutSecretValue secretsmanager:PutResourcePolicy secretsmanager:DeleteSecret",
		"arn:aws:kms:us-east-1:123456789012:key/x":                                   "kms:Decrypt kms:CreateGrant kms:PutKeyPolicy",
	} {
		for action := range strings.FieldsSeq(actions) {
			out = append(out, awstest.Permission{Action: action, Resource: resource}, awstest.Permission{Action: action, Resource: resource, Context: bounded})
		}
	}
	// The boundary that the file names may be put on its own role; any other would lift it.
	return append(out, awstest.Permission{Action: "iam:PutRolePermissionsBoundary", Resource: own, Context: map[string]string{"iam:PermissionsBoundary": account + "policy/other"}})
}

func find(roles []awstest.Role, name string) awstest.Role {
	for _, r := range roles {
		if r.Name == name {
			return r
		}
	}
	return awstest.Role{}
}

// A missing permission is printed with the conditions of the whole policy: to
// paste it must not give more than the step needs.
func TestAMissingPermissionIsPrintedWithItsConditions(t *testing.T) {
	t.Parallel()
	for action, condition := range map[string]string{"iam:AttachRolePolicy": "iam:PolicyARN", "iam:PassRole": "iam:PassedToService"} {
		cloud := newCloud(t, awstest.Options{})
		addOrders(cloud)
		h := newHost(t, cloud, wish(modifyMode, ""))
		h.as(awstest.Everything, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"`+action+`","Resource":"*"}]}`)
		if e := h.fails(ExitPermission, action); !strings.Contains(e.Policy, condition) {
			t.Errorf("printed %s", e.Policy)
		}
	}
}

// RDS answers with InvalidParameterValue where it may not make its own role: that
// was taken for a mistake in the request, exit 2. It passes where the role is on
// its way, else the permission is named.
func TestServiceLinkedRole(t *testing.T) {
	t.Parallel()
	const deny = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:CreateServiceLinkedRole","Resource":"*"}]}`
	for _, s := range scenarios()[1:4] {
		cloud := newCloud(t, awstest.Options{NoLinkedRole: true})
		s.seed(cloud)
		h := newHost(t, cloud, s.file)
		h.as(awstest.Everything, deny)
		h.fails(ExitPermission, "iam:CreateServiceLinkedRole", "iam:AWSServiceName", "rds.amazonaws.com")
		if asked := len(h.told(EventAgain)); asked < 2 {
			t.Errorf("%s: it was tried again %d times", s.name, asked)
		}
		h.as(awstest.Everything, deny)
		h.onSleep = func() {
			if len(h.told(EventAgain)) > 0 {
				h.as(h.policy(ForApply))
			}
		}
		h.done()
	}
}

func (h *host) told(kind EventKind) (out []Event) {
	for _, e := range h.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// That RDS sends its account and ARN when it takes a role is a guess. Where it is
// wrong, a hardened role ends the join with RDS's own words, and is not widened.
func TestAHardenedRoleWhereRDSSendsNoSource(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{NoSource: true})
	addOrders(cloud)
	trust := hardenedFor("123456789012", "directoryservice.rds.amazonaws.com", "rds.amazonaws.com")
	cloud.AddRole(awstest.Role{Name: roleName, Trust: trust, Inline: map[string]string{"x": guideRole}})
	h := newHost(t, cloud, wish(modifyMode, "  role: {repair: true, repair_trust: true}\n"))
	h.fails(ExitFailed, "IAM role provided is not valid")
	if got := cloud.Roles()[0]; got.Trust != trust {
		t.Errorf("the trust policy became %s", got.Trust)
	}
}
