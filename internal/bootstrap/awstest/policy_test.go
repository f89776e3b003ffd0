package awstest

import (
	"testing"
)

func TestDecide(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/kerberos"
	statement := func(s string) string { return `{"Version":"2012-10-17","Statement":[` + s + `]}` }
	pass := Permission{"iam:PassRole", role, map[string]string{"iam:PassedToService": "rds.amazonaws.com"}}
	for name, test := range map[string]struct {
		policies []string
		ask      Permission
		want     decision
	}{
		"nothing allows":                        {nil, pass, implicitDeny},
		"everything":                            {[]string{Everything}, pass, allowed},
		"the action, any case":                  {[]string{statement(`{"Effect":"Allow","Action":"IAM:passrole","Resource":"*"}`)}, pass, allowed},
		"another action":                        {[]string{statement(`{"Effect":"Allow","Action":["iam:GetRole","iam:CreateRole"],"Resource":"*"}`)}, pass, implicitDeny},
		"a wild action":                         {[]string{statement(`{"Effect":"Allow","Action":"iam:Pass*","Resource":"*"}`)}, pass, allowed},
		"the resource":                          {[]string{statement(`{"Effect":"Allow","Action":"iam:*","Resource":"` + role + `"}`)}, pass, allowed},
		"a wild resource":                       {[]string{statement(`{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:role/ker?eros"}`)}, pass, allowed},
		"resources have a case":                 {[]string{statement(`{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::123456789012:role/Kerberos"}`)}, pass, implicitDeny},
		"an explicit deny wins":                 {[]string{Everything, statement(`{"Effect":"Deny","Action":"iam:PassRole","Resource":"*"}`)}, pass, explicitDeny},
		"a deny wins in any order":              {[]string{statement(`{"Effect":"Deny","Action":"iam:PassRole","Resource":"*"}`), Everything}, pass, explicitDeny},
		"a deny of another role":                {[]string{Everything, statement(`{"Effect":"Deny","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/other"}`)}, pass, allowed},
		"a condition that holds":                {[]string{statement(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:passedtoservice":["ds.amazonaws.com","rds.amazonaws.com"]}}}`)}, pass, allowed},
		"a condition that does not":             {[]string{statement(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ds.amazonaws.com"}}}`)}, pass, implicitDeny},
		"StringLike":                            {[]string{statement(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringLike":{"iam:PassedToService":"*.amazonaws.com"}}}`)}, pass, allowed},
		"StringEquals knows no *":               {[]string{statement(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"*.amazonaws.com"}}}`)}, pass, implicitDeny},
		"both conditions must hold":             {[]string{statement(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"rds.amazonaws.com","aws:RequestedRegion":"us-east-1"}}}`)}, pass, implicitDeny},
		"a key that is not there, if it exists": {[]string{statement(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEqualsIfExists":{"aws:RequestedRegion":"us-east-1"}}}`)}, pass, allowed},
		"an ARN does not cover an action without resources": {[]string{statement(`{"Effect":"Allow","Action":"ds:*","Resource":"arn:aws:ds:us-east-1:123456789012:directory/*"}`)}, Permission{"ds:CreateMicrosoftAD", "*", nil}, implicitDeny},
	} {
		t.Run(name, func(t *testing.T) {
			policies, err := parsePolicies(test.policies)
			if err != nil {
				t.Fatal(err)
			}
			if got := decide(policies, test.ask); got != test.want {
				t.Errorf("decision %d, want %d", got, test.want)
			}
		})
	}
}

func TestPolicyRefused(t *testing.T) {
	for name, document := range map[string]string{
		"no JSON":            `{`,
		"old version":        `{"Version":"2008-10-17","Statement":[]}`,
		"NotAction":          `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}]}`,
		"no resource":        `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*"}]}`,
		"a service with *":   `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*:GetRole","Resource":"*"}]}`,
		"a resource, no ARN": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"role/x"}]}`,
		"unknown operator":   `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`,
		"policy variable":    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::1:user/${aws:username}"}]}`,
		"effect":             `{"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Action":"iam:*","Resource":"*"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parsePolicy(document); err == nil {
				t.Error("taken")
			}
		})
	}
}
