package bootstrap

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// egress returns the change that lets the domain controllers out to the other
// directory. Their security group lets them out to themselves only, and then a
// trust fails as if the other domain did not exist.
func (s *trustStep) egress(ctx context.Context) (*change, error) {
	if s.directory.group == "" || s.directory.shared {
		return nil, nil
	}
	group, err := awsapi.Group(ctx, s.ec2.describeSecurityGroups, s.directory.group)
	if err != nil {
		return nil, err
	}
	var missing []netip.Prefix
	for _, n := range s.Config.Trust.Networks {
		if !awsapi.Covers(group.IpPermissionsEgress, "-1", 0, n) {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	return &change{key: "egress", what: fmt.Sprintf("let the domain controllers (%s) out to %s", s.directory.group, prefixes(missing)),
		act: func(ctx context.Context) error {
			rule := types.IpPermission{IpProtocol: aws.String("-1")}
			for _, n := range missing {
				if n.Addr().Is4() {
					rule.IpRanges = append(rule.IpRanges, types.IpRange{CidrIp: aws.String(n.String()),
						Description: aws.String("kerbagent: trust with " + s.Config.Trust.Domain)})
				} else {
					rule.Ipv6Ranges = append(rule.Ipv6Ranges, types.Ipv6Range{CidrIpv6: aws.String(n.String()),
						Description: aws.String("kerbagent: trust with " + s.Config.Trust.Domain)})
				}
			}
			_, err := s.ec2.authorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: aws.String(s.directory.group),
				IpPermissions:     []types.IpPermission{rule},
				TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroupRule, Tags: tagList(s.tags(), ec2Tag)}}})
			if awsapi.Code(err) == "InvalidPermission.Duplicate" {
				return nil
			}
			return err
		}}, nil
}

func ec2Tag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }
