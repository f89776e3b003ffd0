package awstest

import (
	"slices"
	"strconv"
)

func ec2Actions() map[string]action {
	return map[string]action{
		"AuthorizeSecurityGroupEgress":  {mutating: true, run: authorizeEgress},
		"DescribeNetworkInterfaces":     {run: describeInterfaces},
		"DescribeRouteTables":           {run: describeRouteTables},
		"DescribeSecurityGroupRules":    {run: describeRules},
		"DescribeSecurityGroups":        {run: describeGroups},
		"DescribeSubnets":               {run: describeSubnets},
		"DescribeVpcPeeringConnections": {run: describePeerings},
		"DescribeVpcs":                  {run: describeVPCs},
	}
}

type ec2Tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func ec2Tags(m map[string]string) []ec2Tag {
	var l []ec2Tag
	for _, t := range tagList(m) {
		l = append(l, ec2Tag(t))
	}
	return l
}

type ec2State struct {
	State string `xml:"state"`
}

// filters returns, for each filter that is known here, a resource's values.
type filters[T any] map[string]func(*T) []string

// selected is what a Describe of EC2 has in common: permission, ids, filters, pages.
func selected[T any](r *request, action, idParameter, notFound string, all map[string]*T, known filters[T]) (part []*T, next string,
	err error) {
	if err := r.allow("ec2:"+action, "*"); err != nil {
		return nil, "", err
	}
	list, missing := chosen(all, r.form.list(idParameter))
	if missing != "" {
		return nil, "", bad(notFound, "The ID '%s' does not exist", missing)
	}
	for _, g := range r.form.groups("Filter") {
		name, values := r.form.text(g+".Name"), r.form.list(g+".Value")
		of, ok := known[name]
		if !ok {
			return nil, "", bad("InvalidParameterValue", "awstest knows no filter '%s' here", name)
		}
		list = slices.DeleteFunc(list, func(v *T) bool {
			return !slices.ContainsFunc(of(v), func(have string) bool {
				return slices.ContainsFunc(values, func(want string) bool { return wild(want, have) })
			})
		})
	}
	r.form.text("MaxResults")
	part, next = page(r, list, r.form.text("NextToken"))
	return part, next, r.form.done()
}

func describeVPCs(r *request) (any, error) {
	list, next, err := selected(r, "DescribeVpcs", "VpcId", "InvalidVpcID.NotFound", r.VPCs, filters[VPC]{
		"vpc-id": func(v *VPC) []string { return []string{v.ID} },
		"cidr":   func(v *VPC) []string { return []string{v.CIDR} },
	})
	type association struct {
		ID    string   `xml:"associationId"`
		CIDR  string   `xml:"cidrBlock"`
		State ec2State `xml:"cidrBlockState"`
	}
	type item struct {
		ID         string        `xml:"vpcId"`
		Owner      string        `xml:"ownerId"`
		State      string        `xml:"state"`
		CIDR       string        `xml:"cidrBlock"`
		Associated []association `xml:"cidrBlockAssociationSet>item"`
		DHCP       string        `xml:"dhcpOptionsId"`
		Tenancy    string        `xml:"instanceTenancy"`
		Default    bool          `xml:"isDefault"`
		Tags       []ec2Tag      `xml:"tagSet>item"`
	}
	var items []item
	for _, v := range list {
		tenancy := v.Tenancy
		def(&tenancy, "default")
		items = append(items, item{v.ID, r.cloud.options.Account, "available", v.CIDR,
			[]association{{v.ID + "-cidr", v.CIDR, ec2State{"associated"}}}, "dopt-0a000000000000001", tenancy, false, ec2Tags(v.Tags)})
	}
	return struct {
		Items []item `xml:"vpcSet>item"`
		Next  string `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func describeSubnets(r *request) (any, error) {
	list, next, err := selected(r, "DescribeSubnets", "SubnetId", "InvalidSubnetID.NotFound", r.Subnets, filters[Subnet]{
		"subnet-id": func(s *Subnet) []string { return []string{s.ID} },
		"vpc-id":    func(s *Subnet) []string { return []string{s.VPC} },
	})
	type item struct {
		ID     string   `xml:"subnetId"`
		ARN    string   `xml:"subnetArn"`
		VPC    string   `xml:"vpcId"`
		Owner  string   `xml:"ownerId"`
		State  string   `xml:"state"`
		CIDR   string   `xml:"cidrBlock"`
		Free   int      `xml:"availableIpAddressCount"`
		Zone   string   `xml:"availabilityZone"`
		ZoneID string   `xml:"availabilityZoneId"`
		Tags   []ec2Tag `xml:"tagSet>item"`
	}
	var items []item
	for _, s := range list {
		items = append(items, item{s.ID, r.cloud.regional("ec2", "subnet/"+s.ID), s.VPC, r.cloud.options.Account, "available", s.CIDR, 200,
			s.Zone, s.ZoneID, ec2Tags(s.Tags)})
	}
	return struct {
		Items []item `xml:"subnetSet>item"`
		Next  string `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func describeRouteTables(r *request) (any, error) {
	list, next, err := selected(r, "DescribeRouteTables", "RouteTableId", "InvalidRouteTableID.NotFound", r.RouteTables, filters[RouteTable]{
		"vpc-id":                func(t *RouteTable) []string { return []string{t.VPC} },
		"association.subnet-id": func(t *RouteTable) []string { return t.Subnets },
		"association.main":      func(t *RouteTable) []string { return []string{strconv.FormatBool(t.Main)} },
	})
	type route struct {
		CIDR    string `xml:"destinationCidrBlock"`
		Gateway string `xml:"gatewayId,omitempty"`
		Peering string `xml:"vpcPeeringConnectionId,omitempty"`
		Transit string `xml:"transitGatewayId,omitempty"`
		State   string `xml:"state"`
		Origin  string `xml:"origin"`
	}
	type association struct {
		ID     string   `xml:"routeTableAssociationId"`
		Table  string   `xml:"routeTableId"`
		Subnet string   `xml:"subnetId,omitempty"`
		Main   bool     `xml:"main"`
		State  ec2State `xml:"associationState"`
	}
	type item struct {
		ID           string        `xml:"routeTableId"`
		VPC          string        `xml:"vpcId"`
		Owner        string        `xml:"ownerId"`
		Routes       []route       `xml:"routeSet>item"`
		Associations []association `xml:"associationSet>item"`
	}
	var items []item
	for _, t := range list {
		i := item{ID: t.ID, VPC: t.VPC, Owner: r.cloud.options.Account}
		i.Routes = []route{{r.VPCs[t.VPC].CIDR, "local", "", "", "active", "CreateRouteTable"}}
		for _, x := range t.Routes {
			i.Routes = append(i.Routes, route{x.CIDR, x.Gateway, x.Peering, x.TransitGateway, "active", "CreateRoute"})
		}
		if t.Main {
			i.Associations = append(i.Associations, association{t.ID + "-main", t.ID, "", true, ec2State{"associated"}})
		}
		for _, s := range t.Subnets {
			i.Associations = append(i.Associations, association{t.ID + "-" + s, t.ID, s, false, ec2State{"associated"}})
		}
		items = append(items, i)
	}
	return struct {
		Items []item `xml:"routeTableSet>item"`
		Next  string `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func describePeerings(r *request) (any, error) {
	list, next, err := selected(r, "DescribeVpcPeeringConnections", "VpcPeeringConnectionId", "InvalidVpcPeeringConnectionID.NotFound",
		r.Peerings, filters[Peering]{
			"requester-vpc-info.vpc-id": func(p *Peering) []string { return []string{p.Requester} },
			"accepter-vpc-info.vpc-id":  func(p *Peering) []string { return []string{p.Accepter} },
			"status-code":               func(p *Peering) []string { return []string{p.Status} },
		})
	type side struct {
		CIDR   string `xml:"cidrBlock"`
		Owner  string `xml:"ownerId"`
		VPC    string `xml:"vpcId"`
		Region string `xml:"region"`
	}
	type status struct {
		Code    string `xml:"code"`
		Message string `xml:"message"`
	}
	type item struct {
		ID        string `xml:"vpcPeeringConnectionId"`
		Accepter  side   `xml:"accepterVpcInfo"`
		Requester side   `xml:"requesterVpcInfo"`
		Status    status `xml:"status"`
	}
	half := func(vpc string) side {
		return side{r.VPCs[vpc].CIDR, r.cloud.options.Account, vpc, r.cloud.options.Region}
	}
	var items []item
	for _, p := range list {
		items = append(items, item{p.ID, half(p.Accepter), half(p.Requester), status{p.Status, p.Status}})
	}
	return struct {
		Items []item `xml:"vpcPeeringConnectionSet>item"`
		Next  string `xml:"nextToken,omitempty"`
	}{items, next}, err
}

// describeInterfaces writes network interfaces as the API model has them; the filters
// are those of its reference.
func describeInterfaces(r *request) (any, error) {
	list, next, err := selected(r, "DescribeNetworkInterfaces", "NetworkInterfaceId", "InvalidNetworkInterfaceID.NotFound", r.Interfaces,
		filters[Interface]{
			"addresses.private-ip-address": func(i *Interface) []string { return []string{i.Address} },
			"vpc-id":                       func(i *Interface) []string { return []string{i.VPC} },
		})
	type group struct {
		ID   string `xml:"groupId"`
		Name string `xml:"groupName"`
	}
	type item struct {
		ID      string  `xml:"networkInterfaceId"`
		VPC     string  `xml:"vpcId"`
		Address string  `xml:"privateIpAddress"`
		Status  string  `xml:"status"`
		Groups  []group `xml:"groupSet>item"`
	}
	var items []item
	for _, i := range list {
		one := item{ID: i.ID, VPC: i.VPC, Address: i.Address, Status: "in-use"}
		for _, g := range i.Groups {
			one.Groups = append(one.Groups, group{g, r.state.Groups[g].Name})
		}
		items = append(items, one)
	}
	return struct {
		Items []item `xml:"networkInterfaceSet>item"`
		Next  string `xml:"nextToken,omitempty"`
	}{items, next}, err
}
