package awstest

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// How long the stages of a directory take: AWS says 20 to 45 minutes in all.
const (
	directoryRequested  = 15 * time.Second
	directoryStandard   = 22 * time.Minute
	directoryEnterprise = 32 * time.Minute
	directoryFailing    = 10 * time.Minute
	directoryCreated    = time.Minute // before it is Active
)

func directoryActions() map[string]action {
	return map[string]action{
		"CreateMicrosoftAD":             {mutating: true, run: createMicrosoftAD},
		"AddTagsToResource":             {mutating: true, run: addDirectoryTags},
		"AddIpRoutes":                   {mutating: true, run: addIPRoutes},
		"CreateConditionalForwarder":    {mutating: true, run: createForwarder},
		"UpdateConditionalForwarder":    {mutating: true, run: updateForwarder},
		"CreateTrust":                   {mutating: true, run: createTrust},
		"VerifyTrust":                   {mutating: true, run: verifyTrust},
		"ResetUserPassword":             {mutating: true, run: resetUserPassword},
		"DescribeDirectories":           {run: describeDirectories},
		"DescribeDomainControllers":     {run: describeDomainControllers},
		"DescribeConditionalForwarders": {run: describeForwarders},
		"DescribeTrusts":                {run: describeTrusts},
		"GetDirectoryLimits":            {run: getDirectoryLimits},
		"ListIpRoutes":                  {run: listIPRoutes},
		"ListTagsForResource":           {run: listDirectoryTags},
	}
}

// directoryDependencies are what CreateMicrosoftAD does in the caller's name
// (Service Authorization Reference, "dependent actions").
func directoryDependencies() []string {
	return []string{"AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress", "CreateNetworkInterface", "CreateSecurityGroup",
		"CreateTags", "DescribeNetworkInterfaces", "DescribeSubnets", "DescribeVpcs", "RevokeSecurityGroupEgress"}
}

type vpcSettings struct {
	VpcID     string   `json:"VpcId"`
	SubnetIDs []string `json:"SubnetIds"`
}

func createMicrosoftAD(r *request) (any, error) {
	var in struct {
		Name, ShortName, Password, Description, Edition, NetworkType string
		VpcSettings                                                  vpcSettings
		Tags                                                         []jsonTag
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if err := r.allow("ds:CreateMicrosoftAD", "*"); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		if err := r.allow("ds:AddTagsToResource", r.cloud.regional("ds", "directory/*")); err != nil {
			return nil, err
		}
	}
	for _, a := range directoryDependencies() {
		if err := r.allow("ec2:"+a, "*"); err != nil {
			return nil, err
		}
	}
	zones := map[string]bool{}
	for _, id := range in.VpcSettings.SubnetIDs {
		s := r.Subnets[id]
		if s == nil || s.VPC != in.VpcSettings.VpcID {
			return nil, bad("InvalidParameterException", "Invalid subnet ID(s). They must correspond to two subnets in different Availability "+
				"Zones. : RequestId: 0")
		}
		zones[s.ZoneID] = true
	}
	switch {
	case in.Name == "" || !strings.Contains(in.Name, "."):
		return nil, bad("InvalidParameterException", "Invalid directory name.")
	case !passwordRule(in.Password):
		return nil, bad("InvalidParameterException", "The password must be 8 to 64 characters of three of the four classes, without the "+
			"word admin.")
	case in.Edition != "" && in.Edition != "Standard" && in.Edition != "Enterprise":
		return nil, bad("InvalidParameterException", "Invalid edition.")
	case len(in.VpcSettings.SubnetIDs) != 2 || len(zones) != 2:
		return nil, bad("InvalidParameterException", "Invalid subnet ID(s). They must correspond to two subnets in different Availability Zones.")
	case r.managedDirectories() >= r.cloud.options.DirectoryLimit:
		return nil, bad("DirectoryLimitExceededException", "The maximum number of directories in the region has been reached.")
	}
	d := &Directory{ID: r.cloud.newID("d"), Name: in.Name, ShortName: in.ShortName, Description: in.Description, Edition: in.Edition,
		Type: "MicrosoftAD", Stage: "Requested", Password: in.Password, VPC: in.VpcSettings.VpcID, Subnets: in.VpcSettings.SubnetIDs,
		Tags: tagMap(in.Tags), Launched: r.now, Updated: r.now, FailReason: r.reason}
	first, _, _ := strings.Cut(in.Name, ".")
	def(&d.ShortName, strings.ToUpper(first))
	def(&d.Edition, "Enterprise")
	r.Directories[d.ID] = d
	r.cloud.build(d)
	return map[string]string{"DirectoryId": d.ID}, nil
}

// passwordRule is that of Admin's password, in the set-up guide's step 1.
func passwordRule(p string) bool {
	classes := map[int]bool{}
	for _, c := range p {
		switch {
		case unicode.IsLower(c):
			classes[0] = true
		case unicode.IsUpper(c):
			classes[1] = true
		case unicode.IsDigit(c):
			classes[2] = true
		default:
			classes[3] = true
		}
	}
	return len(p) >= 8 && len(p) <= 64 && len(classes) >= 3 && !strings.Contains(strings.ToLower(p), "admin")
}

func (st *state) managedDirectories() int {
	n := 0
	for _, d := range st.Directories {
		if d.Type == "MicrosoftAD" {
			n++
		}
	}
	return n
}

// build plans the stages of a new directory.
func (c *Cloud) build(d *Directory) {
	id, start := d.ID, d.Launched
	stage := func(after time.Duration, name string, more func(*state, *Directory)) {
		c.after(start.Add(after), func(st *state, at time.Time) {
			if d := st.Directories[id]; d != nil && d.Stage != "Failed" {
				d.Stage, d.Updated = name, at
				if more != nil {
					more(st, d)
				}
			}
		})
	}
	stage(directoryRequested, "Creating", c.directoryGroup)
	if d.FailReason != "" {
		stage(directoryFailing, "Failed", func(_ *state, d *Directory) { d.StageReason = d.FailReason })
		return
	}
	takes := directoryStandard
	if d.Edition == "Enterprise" {
		takes = directoryEnterprise
	}
	stage(takes, "Created", nil)
	stage(takes+directoryCreated, "Active", func(_ *state, d *Directory) { c.directoryControllers(d) })
}

// directoryGroup makes the security group of the domain controllers: what gets in
// comes from the VPC, what gets out goes to the group itself.
func (c *Cloud) directoryGroup(st *state, d *Directory) {
	vpc := st.VPCs[d.VPC]
	if vpc == nil {
		return // the directory is another account's, or of a test without networks
	}
	d.SecurityGroup = c.newID("sg")
	st.Groups[d.SecurityGroup] = &SecurityGroup{ID: d.SecurityGroup, Name: d.ID + "_controllers", VPC: d.VPC,
		Description: "AWS created security group for " + d.ID + " directory controllers", Rules: []Rule{
			{ID: c.newID("sgr"), Protocol: "-1", From: -1, To: -1, CIDR: vpc.CIDR},
			{ID: c.newID("sgr"), Egress: true, Protocol: "-1", From: -1, To: -1, Group: d.SecurityGroup},
		}}
}

// directoryControllers makes one domain controller a subnet.
func (c *Cloud) directoryControllers(d *Directory) {
	if c.options.OnDirectoryActive != nil {
		d.DNS = c.options.OnDirectoryActive(copyOf(*d))
	}
	if d.DNS == nil {
		for _, id := range d.Subnets {
			if s := c.state.Subnets[id]; s != nil {
				d.DNS = append(d.DNS, addressIn(s.CIDR, 10))
			}
		}
	}
	d.Controllers = nil
	for i, ip := range d.DNS {
		k := Controller{ID: c.newID("dc"), IP: ip, Status: "Active"}
		if len(d.Subnets) > 0 {
			k.Subnet = d.Subnets[i%len(d.Subnets)]
			if s := c.state.Subnets[k.Subnet]; s != nil {
				k.Zone = s.Zone
			}
		}
		d.Controllers = append(d.Controllers, k)
	}
}

// directory finds the one that a call is about and demands the permission for it.
func (r *request) directory(action, id string) (*Directory, error) {
	if err := r.allow("ds:"+action, r.cloud.regional("ds", "directory/"+id)); err != nil {
		return nil, err
	}
	d := r.Directories[id]
	if d == nil {
		return nil, bad("EntityDoesNotExistException", "Directory %s in region %s does not exist.", id, r.cloud.options.Region)
	}
	return d, nil
}

// owned is directory for what only the account that owns it may do.
func (r *request) owned(action, id string) (*Directory, error) {
	d, err := r.directory(action, id)
	switch {
	case err != nil:
		return nil, err
	case d.Type != "MicrosoftAD":
		return nil, bad("UnsupportedOperationException", "%s is not supported for directory %s.", action, id)
	case d.Stage != "Active" && d.Stage != "Impaired":
		return nil, bad("DirectoryUnavailableException", "Directory %s is in stage %s.", id, d.Stage)
	}
	return d, nil
}

func getDirectoryLimits(r *request) (any, error) {
	if err := r.allow("ds:GetDirectoryLimits", "*"); err != nil {
		return nil, err
	}
	n, limit := r.managedDirectories(), r.cloud.options.DirectoryLimit
	return map[string]any{"DirectoryLimits": map[string]any{
		"CloudOnlyMicrosoftADLimit": limit, "CloudOnlyMicrosoftADCurrentCount": n, "CloudOnlyMicrosoftADLimitReached": n >= limit,
		"CloudOnlyDirectoriesLimit": 10, "CloudOnlyDirectoriesCurrentCount": 0, "CloudOnlyDirectoriesLimitReached": false,
		"ConnectedDirectoriesLimit": 10, "ConnectedDirectoriesCurrentCount": 0, "ConnectedDirectoriesLimitReached": false,
	}}, nil
}

func addDirectoryTags(r *request) (any, error) {
	var in struct {
		ResourceID string `json:"ResourceId"`
		Tags       []jsonTag
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	d, err := r.directory("AddTagsToResource", in.ResourceID)
	if err != nil {
		return nil, err
	}
	if d.Tags == nil {
		d.Tags = map[string]string{}
	}
	maps.Copy(d.Tags, tagMap(in.Tags))
	return struct{}{}, nil
}

func listDirectoryTags(r *request) (any, error) {
	var in struct {
		ResourceID string `json:"ResourceId"`
		NextToken  string
		Limit      int
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	d, err := r.directory("ListTagsForResource", in.ResourceID)
	if err != nil {
		return nil, err
	}
	shown := d.Tags
	if r.now.Before(d.Launched.Add(r.cloud.options.TagLag)) {
		shown = nil
	}
	tags, next := page(r, tagList(shown), in.NextToken)
	return withToken(map[string]any{"Tags": tags}, next), nil
}

// withToken adds the token of the next page, which the last one has not.
func withToken(out map[string]any, next string) map[string]any {
	if next != "" {
		out["NextToken"] = next
	}
	return out
}

// chosen returns what was asked for by id, or all.
func chosen[T any](m map[string]*T, ids []string) (list []*T, missing string) {
	if len(ids) == 0 {
		return sorted(m), ""
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if m[id] == nil {
			return nil, id
		}
		list = append(list, m[id])
	}
	return list, ""
}

// resetUserPassword knows the Admin alone: the directory's other users are outside
// of this package.
func resetUserPassword(r *request) (any, error) {
	var in struct{ DirectoryId, UserName, NewPassword string }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if err := r.allow("ds:ResetUserPassword", r.cloud.regional("ds", "directory/"+in.DirectoryId)); err != nil {
		return nil, err
	}
	d := r.Directories[in.DirectoryId]
	switch {
	case d == nil:
		return nil, bad("EntityDoesNotExistException", "Directory %s does not exist.", in.DirectoryId)
	case d.Stage != "Active":
		return nil, bad("DirectoryUnavailableException", "Directory %s is not available.", in.DirectoryId)
	case in.UserName != "Admin":
		return nil, bad("UserDoesNotExistException", "User %s does not exist.", in.UserName)
	case len(in.NewPassword) < 7: // the domain's first policy
		return nil, bad("InvalidPasswordException", "The new password does not meet the password policy.")
	}
	d.Password = in.NewPassword
	return struct{}{}, nil
}
