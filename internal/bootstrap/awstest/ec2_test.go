package awstest

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// openEgress lets a group out to everywhere.
func openEgress(t *testing.T, k sdk, group string) {
	t.Helper()
	in := &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &group, IpPermissions: []types.IpPermission{{IpProtocol: ptr("-1"), IpRanges: []types.IpRange{{CidrIp: ptr("192.0.2.0/24"), Description: ptr("the other forest")}}}},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroupRule, Tags: []types.Tag{{Key: ptr("made-by"), Value: ptr("kerbagent")}}}}}
	out := must[*ec2.AuthorizeSecurityGroupEgressOutput](t)(k.ec2.AuthorizeSecurityGroupEgress(t.Context(), in))
	if len(out.SecurityGroupRules) != 1 || *out.SecurityGroupRules[0].CidrIpv4 != "192.0.2.0/24" {
		t.Errorf("rules %v", out.SecurityGroupRules)
	}
	if _, err := k.ec2.AuthorizeSecurityGroupEgress(t.Context(), in); code(err) != "InvalidPermission.Duplicate" {
		t.Errorf("the same rule again: %v", err)
	}
}

func TestNetworks(t *testing.T) {
	c := world(t, Options{PageSize: 2})
	c.AddVPC("vpc-0b000000", "10.1.0.0/16")
	c.AddPeering("pcx-01", "vpc-0b000000", "vpc-0a000000", true)
	k := admin(c).ec2
	pages := ec2.NewDescribeSubnetsPaginator(k, &ec2.DescribeSubnetsInput{Filters: []types.Filter{{Name: ptr("vpc-id"), Values: []string{"vpc-0a000000"}}}})
	zones := map[string]int{}
	for n := 0; pages.HasMorePages(); n++ {
		out := must[*ec2.DescribeSubnetsOutput](t)(pages.NextPage(t.Context()))
		for _, s := range out.Subnets {
			zones[*s.AvailabilityZoneId]++
		}
	}
	if zones["use1-az1"] != 2 || zones["use1-az2"] != 1 {
		t.Errorf("zones %v", zones)
	}
	groups := must[*ec2.DescribeSecurityGroupsOutput](t)(k.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{"sg-0db", "sg-0shut"}})).SecurityGroups
	if len(groups[0].IpPermissionsEgress) != 1 || len(groups[1].IpPermissionsEgress) != 0 {
		t.Errorf("egress of %v", groups)
	}
	tables := must[*ec2.DescribeRouteTablesOutput](t)(k.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{{Name: ptr("vpc-id"), Values: []string{"vpc-0b000000"}}}})).RouteTables
	if len(tables) != 1 || len(tables[0].Routes) != 2 || *tables[0].Routes[1].VpcPeeringConnectionId != "pcx-01" {
		t.Errorf("route tables %v", tables)
	}
	if _, err := k.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-00000000"}}); code(err) != "InvalidVpcID.NotFound" {
		t.Errorf("an unknown VPC: %v", err)
	}
}
