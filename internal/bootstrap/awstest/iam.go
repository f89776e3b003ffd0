package awstest

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// serviceRoleAccess is what the managed policy AmazonRDSDirectoryServiceAccess
// allows: the four actions of the set-up guide.
const serviceRoleAccess = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ds:DescribeDirectories",` +
	`"ds:AuthorizeApplication","ds:UnauthorizeApplication","ds:GetAuthorizedApplicationDetails"]}]}`

// managedName is that policy's ARN behind the partition: it has a path.
const managedName = ":iam::aws:policy/service-role/AmazonRDSDirectoryServiceAccess"

func iamActions() map[string]action {
	return map[string]action{
		"CreateRole":               {mutating: true, run: createRole},
		"UpdateAssumeRolePolicy":   {mutating: true, run: updateAssumeRolePolicy},
		"AttachRolePolicy":         {mutating: true, run: attachRolePolicy},
		"PutRolePolicy":            {mutating: true, run: putRolePolicy},
		"TagRole":                  {mutating: true, run: tagRole},
		"GetRole":                  {run: getRole},
		"ListAttachedRolePolicies": {run: listAttachedRolePolicies},
		"ListRolePolicies":         {run: listRolePolicies},
		"GetRolePolicy":            {run: getRolePolicy},
		"GetPolicy":                {run: getPolicy},
		"GetPolicyVersion":         {run: getPolicyVersion},
		"ListAccountAliases":       {run: listAccountAliases},
	}
}

type xmlTag struct{ Key, Value string }

func xmlTags(m map[string]string) []xmlTag {
	var l []xmlTag
	for _, t := range tagList(m) {
		l = append(l, xmlTag(t))
	}
	return l
}

type xmlRole struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	ARN                      string `xml:"Arn"`
	CreateDate               string
	AssumeRolePolicyDocument string
	PermissionsBoundary      *xmlBoundary
	Description              string   `xml:",omitempty"`
	MaxSessionDuration       int      `xml:",omitempty"`
	Tags                     []xmlTag `xml:"Tags>member"`
}

type xmlBoundary struct{ PermissionsBoundaryType, PermissionsBoundaryArn string }

// roleAnswer writes a role. Policy documents are percent-encoded (RFC 3986), as
// IAM returns them.
func (r *request) roleAnswer(o *Role) any {
	var boundary *xmlBoundary
	if o.Boundary != "" {
		boundary = &xmlBoundary{"Policy", o.Boundary}
	}
	return struct{ Role xmlRole }{xmlRole{PermissionsBoundary: boundary, Path: o.Path, RoleName: o.Name, RoleID: o.ID,
		ARN: r.cloud.roleARN(o), CreateDate: o.Created.UTC().Format("2006-01-02T15:04:05Z"),
		AssumeRolePolicyDocument: percent(o.Trust), Description: o.Description, MaxSessionDuration: 3600, Tags: xmlTags(o.Tags)}}
}

func percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func (c *Cloud) roleARN(o *Role) string { return c.arn("iam", "", "role"+o.Path+o.Name) }

// role finds the role that a call is about and demands the permission for it.
func (r *request) role(action string, context ...string) (*Role, error) {
	if err := r.form.need("RoleName"); err != nil {
		return nil, err
	}
	name := r.form.text("RoleName")
	o := r.Roles[name]
	arn := r.cloud.arn("iam", "", "role/"+name)
	if o != nil {
		arn = r.cloud.roleARN(o)
	}
	if o != nil && o.Boundary != "" {
		// The boundary that the role has (Service Authorization Reference, IAM).
		context = append(context, "iam:PermissionsBoundary", o.Boundary)
	}
	if err := r.allow("iam:"+action, arn, context...); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, failing(404, "NoSuchEntity", "The role with name %s cannot be found.", name)
	}
	return o, nil
}

func createRole(r *request) (any, error) {
	f := r.form
	if err := f.need("RoleName", "AssumeRolePolicyDocument"); err != nil {
		return nil, err
	}
	o := &Role{Name: f.text("RoleName"), Path: f.text("Path"), Description: f.text("Description"), Trust: f.text("AssumeRolePolicyDocument"),
		Boundary: f.text("PermissionsBoundary"), Tags: f.tags("Tags.member"), Inline: map[string]string{}, Created: r.now, Changed: r.now}
	def(&o.Path, "/")
	arn := r.cloud.roleARN(o)
	var context []string
	if o.Boundary != "" {
		context = []string{"iam:PermissionsBoundary", o.Boundary}
	}
	if err := r.allow("iam:CreateRole", arn, context...); err != nil {
		return nil, err
	}
	if len(o.Tags) > 0 {
		if err := r.allow("iam:TagRole", arn); err != nil {
			return nil, err
		}
	}
	if _, err := parsePolicy(o.Trust); err != nil {
		return nil, bad("MalformedPolicyDocument", "%v", err)
	}
	if r.Roles[o.Name] != nil {
		return nil, failing(409, "EntityAlreadyExists", "Role with name %s already exists.", o.Name)
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	o.ID = strings.ToUpper(strings.ReplaceAll(r.cloud.newID("AROA"), "-", ""))
	r.Roles[o.Name] = o
	return r.roleAnswer(o), nil
}

func getRole(r *request) (any, error) {
	o, err := r.role("GetRole")
	if err != nil {
		return nil, err
	}
	return r.roleAnswer(o), r.form.done()
}

func updateAssumeRolePolicy(r *request) (any, error) {
	o, err := r.role("UpdateAssumeRolePolicy")
	if err != nil {
		return nil, err
	}
	document := r.form.text("PolicyDocument")
	if _, err := parsePolicy(document); err != nil {
		return nil, bad("MalformedPolicyDocument", "%v", err)
	}
	if err := r.form.done(); err != nil {
		return nil, err
	}
	o.Trust, o.Changed = document, r.now
	return nil, nil
}

func attachRolePolicy(r *request) (any, error) {
	arn := r.form.text("PolicyArn")
	o, err := r.role("AttachRolePolicy", "iam:PolicyARN", arn)
	if err != nil {
		return nil, err
	}
	if _, known := r.cloud.managed(r.state, arn); !known {
		return nil, failing(404, "NoSuchEntity", "Policy %s does not exist or is not attachable.", arn)
	}
	if err := r.form.done(); err != nil {
		return nil, err
	}
	if !slices.Contains(o.Attached, arn) {
		o.Attached, o.Changed = append(o.Attached, arn), r.now
	}
	return nil, nil
}

func putRolePolicy(r *request) (any, error) {
	if err := r.form.need("PolicyName", "PolicyDocument"); err != nil {
		return nil, err
	}
	o, err := r.role("PutRolePolicy")
	if err != nil {
		return nil, err
	}
	name, document := r.form.text("PolicyName"), r.form.text("PolicyDocument")
	if _, err := parsePolicy(document); err != nil {
		return nil, bad("MalformedPolicyDocument", "%v", err)
	}
	if err := r.form.done(); err != nil {
		return nil, err
	}
	if o.Inline == nil {
		o.Inline = map[string]string{}
	}
	o.Inline[name], o.Changed = document, r.now
	return nil, nil
}

func tagRole(r *request) (any, error) {
	o, err := r.role("TagRole")
	if err != nil {
		return nil, err
	}
	tags := r.form.tags("Tags.member")
	if err := r.form.done(); err != nil {
		return nil, err
	}
	if o.Tags == nil {
		o.Tags = map[string]string{}
	}
	maps.Copy(o.Tags, tags)
	return nil, nil
}

func listAttachedRolePolicies(r *request) (any, error) {
	o, err := r.role("ListAttachedRolePolicies")
	if err != nil {
		return nil, err
	}
	type attached struct {
		PolicyName string
		PolicyARN  string `xml:"PolicyArn"`
	}
	var list []attached
	for _, a := range o.Attached {
		list = append(list, attached{a[strings.LastIndex(a, "/")+1:], a})
	}
	list, marker := page(r, list, r.form.text("Marker"))
	return struct {
		Attached    []attached `xml:"AttachedPolicies>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{list, marker != "", marker}, r.form.done()
}

func listRolePolicies(r *request) (any, error) {
	o, err := r.role("ListRolePolicies")
	if err != nil {
		return nil, err
	}
	names, marker := page(r, slices.Sorted(maps.Keys(o.Inline)), r.form.text("Marker"))
	return struct {
		Names       []string `xml:"PolicyNames>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{names, marker != "", marker}, r.form.done()
}

func getRolePolicy(r *request) (any, error) {
	o, err := r.role("GetRolePolicy")
	if err != nil {
		return nil, err
	}
	name := r.form.text("PolicyName")
	document, ok := o.Inline[name]
	if !ok {
		return nil, failing(404, "NoSuchEntity", "The role policy with name %s cannot be found.", name)
	}
	return struct{ RoleName, PolicyName, PolicyDocument string }{o.Name, name, percent(document)}, r.form.done()
}

func listAccountAliases(r *request) (any, error) {
	if err := r.allow("iam:ListAccountAliases", "*"); err != nil {
		return nil, err
	}
	var aliases []string
	if a := r.cloud.options.Alias; a != "" {
		aliases = []string{a}
	}
	return struct {
		Aliases     []string `xml:"AccountAliases>member"`
		IsTruncated bool
	}{Aliases: aliases}, r.form.done()
}
