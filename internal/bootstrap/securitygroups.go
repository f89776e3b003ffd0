package bootstrap

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// on reports whether a rule is for a port.
func on(r types.IpPermission, protocol string, port int32) bool {
	return aws.ToString(r.IpProtocol) == "-1" || aws.ToString(r.IpProtocol) == protocol && aws.ToInt32(r.FromPort) <= port &&
		aws.ToInt32(r.ToPort) >= port
}

// covers reports whether rules let all of a network through. protocol -1 asks for
// a rule for everything.
func covers(rules []types.IpPermission, protocol string, port int32, network netip.Prefix) bool {
	return slices.ContainsFunc(rules, func(r types.IpPermission) bool {
		if !on(r, protocol, port) {
			return false
		}
		var ranges []string
		for _, x := range r.IpRanges {
			ranges = append(ranges, aws.ToString(x.CidrIp))
		}
		for _, x := range r.Ipv6Ranges {
			ranges = append(ranges, aws.ToString(x.CidrIpv6))
		}
		return slices.ContainsFunc(ranges, func(text string) bool {
			p, err := netip.ParsePrefix(text)
			return err == nil && p.Contains(network.Addr()) && p.Bits() <= network.Bits()
		})
	})
}

// pairs reports whether rules let everything on a port through to another group.
func pairs(rules []types.IpPermission, protocol string, port int32, group string) bool {
	return slices.ContainsFunc(rules, func(r types.IpPermission) bool {
		if !on(r, protocol, port) {
			return false
		}
		return slices.ContainsFunc(r.UserIdGroupPairs, func(p types.UserIdGroupPair) bool { return aws.ToString(p.GroupId) == group })
	})
}

func oneGroup(ctx context.Context, api ec2Calls, id string) (types.SecurityGroup, error) {
	out, err := api.describeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})
	if err != nil {
		return types.SecurityGroup{}, fmt.Errorf("reading the security group %s: %w", id, err)
	}
	if len(out.SecurityGroups) != 1 {
		return types.SecurityGroup{}, fmt.Errorf("reading the security group %s: %d answers", id, len(out.SecurityGroups))
	}
	return out.SecurityGroups[0], nil
}

// oneVPC reads a VPC and its networks.
func oneVPC(ctx context.Context, api ec2Calls, id string) (types.Vpc, []netip.Prefix, error) {
	out, err := api.describeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	if err != nil {
		return types.Vpc{}, nil, fmt.Errorf("reading the VPC %s: %w", id, err)
	}
	if len(out.Vpcs) != 1 {
		return types.Vpc{}, nil, fmt.Errorf("reading the VPC %s: %d answers", id, len(out.Vpcs))
	}
	texts := []string{aws.ToString(out.Vpcs[0].CidrBlock)}
	for _, a := range out.Vpcs[0].CidrBlockAssociationSet {
		texts = append(texts, aws.ToString(a.CidrBlock))
	}
	var networks []netip.Prefix
	for _, text := range texts {
		if p, err := netip.ParsePrefix(text); err == nil && !slices.Contains(networks, p) {
			networks = append(networks, p)
		}
	}
	return out.Vpcs[0], networks, nil
}
