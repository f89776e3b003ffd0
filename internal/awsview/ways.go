package awsview

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
	"github.com/kerbagent/kerbagent/probe"
)

// port is a protocol and a port that this host needs.
type port struct {
	protocol string
	number   int32
}

func (p port) String() string { return fmt.Sprintf("%s %d", p.protocol, p.number) }

// directoryPorts are what this host's probes and logins need of a directory.
func directoryPorts() []port {
	return []port{{"tcp", config.PortKDC}, {"udp", config.PortKDC}, {"tcp", config.PortDNS}, {"udp", config.PortDNS},
		{"tcp", config.PortKpasswd}, {"udp", config.PortKpasswd}}
}

// ways judges whether security groups admit this host. Routes and network ACLs are not
// looked at, so what is admitted here may be blocked all the same.
func (r *reading) ways(ctx context.Context) {
	for i := range r.view.Clusters {
		c := &r.view.Clusters[i]
		db, _ := r.Config.Database(c.Database)
		c.Way = r.way(ctx, c.Way.Groups, []port{{"tcp", int32(db.Port)}})
	}
	for i := range r.view.Directories {
		d := &r.view.Directories[i]
		d.Way = r.way(ctx, d.Way.Groups, directoryPorts())
	}
}

// way judges the way from this host to what is in some security groups.
func (r *reading) way(ctx context.Context, groups []string, ports []port) Way {
	if len(groups) == 0 || r.stopped {
		return Way{}
	}
	w := Way{Groups: groups, State: probe.WayUnknown}
	var rules []types.IpPermission
	vpc := ""
	for _, id := range groups {
		g, err := awsapi.Group(ctx, r.groups, id)
		if r.failed(err) {
			w.Why = "not every security group could be read"
			return w
		}
		rules, vpc = append(rules, g.IpPermissions...), aws.ToString(g.VpcId)
	}
	_, networks, err := awsapi.VPC(ctx, r.vpcs, vpc)
	if r.failed(err) {
		w.Why = "the networks of the VPC could not be read"
		return w
	}
	from, inside := r.inside(networks)
	if !inside {
		w.Why = "this host has no address in the VPC's networks, so what the security groups see of it is not known"
		return w
	}
	w.From = from
	own, known := []string(nil), false
	for _, p := range ports {
		switch {
		case awsapi.Covers(rules, p.protocol, p.number, netip.PrefixFrom(from, from.BitLen())):
		case !byName(rules, p):
			w.Lacks = append(w.Lacks, p.String())
		default:
			if !known {
				own, known = r.ownGroups(ctx, from, vpc), true
			}
			switch {
			case slices.ContainsFunc(own, func(g string) bool { return awsapi.Pairs(rules, p.protocol, p.number, g) }):
			case len(own) > 0 && !byPrefixList(rules, p):
				w.Lacks = append(w.Lacks, p.String())
			default:
				w.Why = "the rules name other security groups or prefix lists, and whether this host is in them could not be read"
			}
		}
	}
	switch {
	case len(w.Lacks) > 0:
		w.State, w.Why = probe.WayRefused, ""
	case w.Why == "":
		w.State = probe.WayAdmitted
	}
	return w
}

// inside returns this host's address in a VPC's networks.
func (r *reading) inside(networks []netip.Prefix) (netip.Addr, bool) {
	for _, a := range r.Addresses() {
		if slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) }) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// byName reports whether a rule for a port names who is admitted other than by address.
func byName(rules []types.IpPermission, p port) bool {
	return byPrefixList(rules, p) || slices.ContainsFunc(rules, func(r types.IpPermission) bool {
		return awsapi.On(r, p.protocol, p.number) && len(r.UserIdGroupPairs) > 0
	})
}

func byPrefixList(rules []types.IpPermission, p port) bool {
	return slices.ContainsFunc(rules, func(r types.IpPermission) bool {
		return awsapi.On(r, p.protocol, p.number) && len(r.PrefixListIds) > 0
	})
}

// ownGroups returns the security groups of this host; nil where they are not known.
func (r *reading) ownGroups(ctx context.Context, address netip.Addr, vpc string) []string {
	out, err := r.interfaces(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{
		{Name: aws.String("addresses.private-ip-address"), Values: []string{address.String()}},
		{Name: aws.String("vpc-id"), Values: []string{vpc}},
	}})
	if r.failed(err) {
		return nil
	}
	var groups []string
	for _, i := range out.NetworkInterfaces {
		for _, g := range i.Groups {
			if len(groups) < maxGroups {
				groups = append(groups, aws.ToString(g.GroupId))
			}
		}
	}
	return groups
}
