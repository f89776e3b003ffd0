package bootstrap

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// way is one way that a database must have out to the domain controllers. AWS
// has no list for Aurora; these are the ports of a domain member (AWS
// documents them for RDS Custom for SQL Server) without which a join cannot be.
type way struct {
	protocol string
	port     int32
}

func (s *clusterStep) ways() []way {
	var out []way
	for _, text := range s.Config.Cluster.DirectoryPorts {
		protocol, port, _ := strings.Cut(text, "/")
		if n, err := strconv.ParseUint(port, 10, 16); err == nil { // it was checked when it was read
			out = append(out, way{protocol, int32(n)})
		}
	}
	if len(out) > 0 {
		return out
	}

	return []way{{"tcp", 53}, {"udp", 53}, {"tcp", 88}, {"udp", 88}, {"tcp", 389}, {"udp", 389}, {"tcp", 445}, {"tcp", 464}, {"udp", 464}}
}

// unjudged are the peers of rules for a way that are known by name alone.
func (s *clusterStep) unjudged(rules []types.IpPermission, w way) []string {
	var out []string
	for _, r := range rules {
		if !awsapi.On(r, w.protocol, w.port) {
			continue
		}
		for _, l := range r.PrefixListIds {
			out = append(out, aws.ToString(l.PrefixListId))
		}
		for _, p := range r.UserIdGroupPairs {
			if s.directory.group == "" {
				out = append(out, aws.ToString(p.GroupId))
			}
		}
	}
	return out
}

// paths judges the way from a cluster's security groups to the directory. What
// is missing comes back as commands: a security group is others' too, and none
// is changed. A rule with a prefix list, or one to the security group of another
// account's directory, cannot be judged: it is said, and stands in nobody's way.
func (s *clusterStep) paths(ctx context.Context, groups []string) (blocked string, notes []string, err error) {
	var egress []types.IpPermission
	vpc := ""
	for _, id := range groups {
		g, err := awsapi.Group(ctx, s.ec2.describeSecurityGroups, id)
		if err != nil {
			return "", nil, err
		}
		egress, vpc = append(egress, g.IpPermissionsEgress...), aws.ToString(g.VpcId)
	}
	if err := s.named(ctx); err != nil {
		return "", nil, err
	}
	if len(groups) == 0 {
		return "", []string{"the cluster has no VPC security group, so its way to the directory cannot be judged: Kerberos is for clusters in " +
			"a VPC only"}, nil
	}
	var commands, unjudged []string
	for _, w := range s.ways() {
		var lacking []string
		open := s.unjudged(egress, w)
		for _, a := range s.directory.addresses {
			if !awsapi.Covers(egress, w.protocol, w.port, netip.PrefixFrom(a, a.BitLen())) &&
				(s.directory.group == "" || !awsapi.Pairs(egress, w.protocol, w.port, s.directory.group)) {
				lacking = append(lacking, netip.PrefixFrom(a, a.BitLen()).String())
			}
		}
		if len(lacking) > 0 && len(open) > 0 {
			unjudged = append(unjudged, open...)
			continue
		}
		for _, cidr := range lacking {
			commands = append(commands, fmt.Sprintf("  aws ec2 authorize-security-group-egress --region %s --group-id %s --protocol %s --port %d "+
				"--cidr %s", s.region, groups[0], w.protocol, w.port, cidr))
		}
	}
	if len(commands) > 0 {
		blocked = "the cluster's security groups (" + strings.Join(groups, ", ") +
			") do not let it out to the directory. These rules are missing:\n" + strings.Join(commands, "\n")
	}
	if slices.Sort(unjudged); len(unjudged) > 0 {
		notes = append(notes, "kerbagent cannot judge whether the cluster's rules out to "+strings.Join(slices.Compact(unjudged), ", ")+
			" lead to the directory ("+addresses(s.directory.addresses)+"): if the join fails, look there first")
	}
	if vpc != "" && s.directory.vpc != "" && vpc != s.directory.vpc {
		notes = append(notes, fmt.Sprintf("the cluster is in %s and the directory in %s: the two need a peering or a transit gateway, routes "+
			"in both directions, and a directory's security group that lets the cluster's addresses in", vpc, s.directory.vpc))
		closed, err := s.admission(ctx, vpc)
		if err != nil {
			return "", nil, err
		}
		if closed != "" {
			blocked = strings.TrimPrefix(blocked+"\n"+closed, "\n")
		}
	}
	return blocked, notes, nil
}

// named holds the security group that the file names for the domain controllers to be one
// of the directory's VPC. That of another account's directory cannot be read.
func (s *clusterStep) named(ctx context.Context) error {
	id := s.Config.Directory.SecurityGroup
	if id == "" || s.directory.shared || s.directory.vpc == "" {
		return nil
	}
	g, err := awsapi.Group(ctx, s.ec2.describeSecurityGroups, id)
	if awsapi.Code(err) == "InvalidGroup.NotFound" {
		return advise("correct directory.security_group", "there is no security group %s in %s", id, s.region)
	}
	if vpc := aws.ToString(g.VpcId); err == nil && vpc != s.directory.vpc {
		return advise("correct directory.security_group", "the security group %s is in %s, and the directory in %s", id, vpc, s.directory.vpc)
	}
	return err
}

// admission judges the directory's own security group, which AWS makes so that it
// admits the directory's VPC and no other. Another account's cannot be read.
func (s *clusterStep) admission(ctx context.Context, vpc string) (blocked string, err error) {
	if s.directory.group == "" || s.directory.shared {
		return "", nil
	}
	group, err := awsapi.Group(ctx, s.ec2.describeSecurityGroups, s.directory.group)
	if err != nil {
		return "", err
	}
	_, networks, err := awsapi.VPC(ctx, s.ec2.describeVpcs, vpc)
	if err != nil {
		return "", err
	}
	var commands []string
	for _, w := range s.ways() {
		for _, n := range networks {
			if !awsapi.Covers(group.IpPermissions, w.protocol, w.port, n) {
				commands = append(commands, fmt.Sprintf("  aws ec2 authorize-security-group-ingress --region %s --group-id %s --protocol %s --port "+
					"%d --cidr %s", s.region, s.directory.group, w.protocol, w.port, n))
			}
		}
	}
	if len(commands) == 0 {
		return "", nil
	}
	return "the directory's security group (" + s.directory.group + ") does not let the cluster's VPC " + vpc +
		" in. These rules are missing:\n" + strings.Join(commands, "\n"), nil
}
