package awstest

import (
	"maps"
	"slices"
	"strings"
)

// access reports whether a role's policies allow it what RDS needs of Directory Service.
func (c *Cloud) access(o *Role, directory string) bool {
	var policies []*policy
	documents := slices.Collect(maps.Values(o.Inline))
	for _, a := range o.Attached {
		if document, known := c.managed(c.state, a); known {
			documents = append(documents, document)
		}
	}
	for _, d := range documents {
		if p, err := parsePolicy(d); err == nil {
			policies = append(policies, p)
		}
	}
	for _, a := range []string{"DescribeDirectories", "AuthorizeApplication", "UnauthorizeApplication", "GetAuthorizedApplicationDetails"} {
		on := c.regional("ds", "directory/"+directory)
		if a == "DescribeDirectories" {
			on = "*" // it knows no resources (Service Authorization Reference, Directory Service)
		}
		if decide(policies, Permission{Action: "ds:" + a, Resource: on}) != allowed {
			return false
		}
		if document, known := c.managed(c.state, o.Boundary); o.Boundary != "" {
			limit, err := parsePolicy(document)
			if !known || err != nil || decide([]*policy{limit}, Permission{Action: "ds:" + a, Resource: on}) != allowed {
				return false
			}
		}
	}
	return true
}

// managed finds a managed policy: AWS's own for Aurora, one that administers
// everything, or a customer's.
func (c *Cloud) managed(st *state, arn string) (document string, known bool) {
	aws := "arn:" + c.options.Partition
	switch arn {
	case aws + managedName:
		return serviceRoleAccess, true
	case aws + ":iam::aws:policy/AdministratorAccess":
		return Everything, true
	}
	document, known = st.Policies[arn]
	return document, known
}

func getPolicy(r *request) (any, error) {
	arn := r.form.text("PolicyArn")
	if err := r.allow("iam:GetPolicy", arn); err != nil {
		return nil, err
	}
	if _, known := r.cloud.managed(r.state, arn); !known {
		return nil, failing(404, "NoSuchEntity", "Policy %s was not found.", arn)
	}
	type policy struct {
		ARN              string `xml:"Arn"`
		PolicyName       string
		DefaultVersionID string `xml:"DefaultVersionId"`
	}
	return struct{ Policy policy }{policy{arn, arn[strings.LastIndex(arn, "/")+1:], "v1"}}, r.form.done()
}

func getPolicyVersion(r *request) (any, error) {
	arn, version := r.form.text("PolicyArn"), r.form.text("VersionId")
	if err := r.allow("iam:GetPolicyVersion", arn); err != nil {
		return nil, err
	}
	document, known := r.cloud.managed(r.state, arn)
	if !known || version != "v1" {
		return nil, failing(404, "NoSuchEntity", "Policy %s version %s was not found.", arn, version)
	}
	type policyVersion struct {
		Document, VersionId string
		IsDefaultVersion    bool
	}
	return struct{ PolicyVersion policyVersion }{policyVersion{percent(document), version, true}}, r.form.done()
}
