package awsapi

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Calls of EC2.
type (
	DescribeSecurityGroups    = Call[ec2.DescribeSecurityGroupsInput, ec2.DescribeSecurityGroupsOutput, ec2.Options]
	DescribeVpcs              = Call[ec2.DescribeVpcsInput, ec2.DescribeVpcsOutput, ec2.Options]
	DescribeNetworkInterfaces = Call[ec2.DescribeNetworkInterfacesInput, ec2.DescribeNetworkInterfacesOutput, ec2.Options]
)

// On reports whether a rule is for a port.
func On(r types.IpPermission, protocol string, port int32) bool {
	return aws.ToString(r.IpProtocol) == "-1" || aws.ToString(r.IpProtocol) == protocol && aws.ToInt32(r.FromPort) <= port &&
		aws.ToInt32(r.ToPort) >= port
}

// Covers reports whether rules let all of a network through. protocol -1 asks for
// a rule for everything.
func Covers(rules []types.IpPermission, protocol string, port int32, network netip.Prefix) bool {
	return slices.ContainsFunc(rules, func(r types.IpPermission) bool {
		if !On(r, protocol, port) {
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

// Pairs reports whether rules let everything on a port through to another group.
func Pairs(rules []types.IpPermission, protocol string, port int32, group string) bool {
	return slices.ContainsFunc(rules, func(r types.IpPermission) bool {
		if !On(r, protocol, port) {
			return false
		}
		return slices.ContainsFunc(r.UserIdGroupPairs, func(p types.UserIdGroupPair) bool { return aws.ToString(p.GroupId) == group })
	})
}

// Group reads a security group.
func Group(ctx context.Context, describe DescribeSecurityGroups, id string) (types.SecurityGroup, error) {
	out, err := describe(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})
	if err != nil {
		return types.SecurityGroup{}, fmt.Errorf("reading the security group %s: %w", id, err)
	}
	if len(out.SecurityGroups) != 1 {
		return types.SecurityGroup{}, fmt.Errorf("reading the security group %s: %d answers", id, len(out.SecurityGroups))
	}
	return out.SecurityGroups[0], nil
}

// VPC reads a VPC and its networks.
func VPC(ctx context.Context, describe DescribeVpcs, id string) (types.Vpc, []netip.Prefix, error) {
	out, err := describe(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
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
