package awstest

import (
	"maps"
	"slices"
)

func describeDirectories(r *request) (any, error) {
	var in struct {
		DirectoryIDs []string `json:"DirectoryIds"`
		NextToken    string
		Limit        int
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if err := r.allow("ds:DescribeDirectories", "*"); err != nil {
		return nil, err
	}
	list, missing := chosen(r.Directories, in.DirectoryIDs)
	if missing != "" {
		return nil, bad("EntityDoesNotExistException", "Directory %s in region %s does not exist.", missing, r.cloud.options.Region)
	}
	part, next := page(r, list, in.NextToken)
	out := []map[string]any{}
	for _, d := range part {
		out = append(out, r.describe(d))
	}
	return withToken(map[string]any{"DirectoryDescriptions": out}, next), nil
}

// describe writes a directory: of one that is shared, its owner's view of the
// network stands in a part of its own.
func (r *request) describe(d *Directory) map[string]any {
	var zones []string
	for _, id := range d.Subnets {
		if s := r.Subnets[id]; s != nil {
			zones = append(zones, s.Zone)
		}
	}
	vpc := map[string]any{"VpcId": d.VPC, "SubnetIds": d.Subnets, "AvailabilityZones": zones}
	if d.SecurityGroup != "" {
		vpc["SecurityGroupId"] = d.SecurityGroup
	}
	out := map[string]any{
		"DirectoryId": d.ID, "Name": d.Name, "ShortName": d.ShortName, "Type": d.Type, "Edition": d.Edition,
		"Alias": d.ID, "AccessUrl": d.ID + ".awsapps.com", "Stage": d.Stage, "SsoEnabled": false,
		"LaunchTime": epoch(d.Launched), "StageLastUpdatedDateTime": epoch(d.Updated),
	}
	for k, v := range map[string]string{"Description": d.Description, "StageReason": d.StageReason} {
		if v != "" {
			out[k] = v
		}
	}
	if d.Type == "SharedMicrosoftAD" {
		out["ShareStatus"], out["ShareMethod"] = "Shared", "HANDSHAKE"
		out["OwnerDirectoryDescription"] = map[string]any{"DirectoryId": d.OwnerDirectory, "AccountId": d.OwnerAccount, "DnsIpAddrs": d.DNS,
			"VpcSettings": vpc}
		return out
	}
	out["VpcSettings"], out["DesiredNumberOfDomainControllers"] = vpc, 2
	if len(d.DNS) > 0 {
		out["DnsIpAddrs"] = d.DNS
	}
	return out
}

func describeDomainControllers(r *request) (any, error) {
	var in struct {
		DirectoryID         string   `json:"DirectoryId"`
		DomainControllerIDs []string `json:"DomainControllerIds"`
		NextToken           string
		Limit               int
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	d, err := r.directory("DescribeDomainControllers", in.DirectoryID)
	if err != nil {
		return nil, err
	}
	if d.Type != "MicrosoftAD" {
		return nil, bad("UnsupportedOperationException", "DescribeDomainControllers is not supported for directory %s.", d.ID)
	}
	out := []map[string]any{}
	part, next := page(r, d.Controllers, in.NextToken)
	for _, k := range part {
		out = append(out, map[string]any{"DirectoryId": d.ID, "DomainControllerId": k.ID, "DnsIpAddr": k.IP, "VpcId": d.VPC, "SubnetId": k.Subnet,
			"AvailabilityZone": k.Zone, "Status": k.Status, "LaunchTime": epoch(d.Launched), "StatusLastUpdatedDateTime": epoch(d.Updated)})
	}
	return withToken(map[string]any{"DomainControllers": out}, next), nil
}

func addIPRoutes(r *request) (any, error) {
	var in struct {
		DirectoryID string `json:"DirectoryId"`
		IPRoutes    []struct {
			CidrIP      string `json:"CidrIp"`
			Description string
		} `json:"IpRoutes"`
		UpdateSecurityGroupForDirectoryControllers bool
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	d, err := r.owned("AddIpRoutes", in.DirectoryID)
	if err != nil {
		return nil, err
	}
	if d.Routes == nil {
		d.Routes = map[string]string{}
	}
	for _, route := range in.IPRoutes {
		if _, twice := d.Routes[route.CidrIP]; twice {
			return nil, bad("EntityAlreadyExistsException", "The route %s exists.", route.CidrIP)
		}
	}
	for _, route := range in.IPRoutes {
		d.Routes[route.CidrIP] = "Added"
	}
	if g := r.Groups[d.SecurityGroup]; g != nil && in.UpdateSecurityGroupForDirectoryControllers {
		rule := AllEgress()
		rule.ID = r.cloud.newID("sgr")
		g.Rules = append(g.Rules, rule)
	}
	return struct{}{}, nil
}

func listIPRoutes(r *request) (any, error) {
	var in struct {
		DirectoryID string `json:"DirectoryId"`
		NextToken   string
		Limit       int
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	d, err := r.directory("ListIpRoutes", in.DirectoryID)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	part, next := page(r, slices.Sorted(maps.Keys(d.Routes)), in.NextToken)
	for _, cidr := range part {
		out = append(out, map[string]any{"DirectoryId": d.ID, "CidrIp": cidr, "IpRouteStatusMsg": d.Routes[cidr],
			"AddedDateTime": epoch(d.Updated)})
	}
	return withToken(map[string]any{"IpRoutesInfo": out}, next), nil
}
