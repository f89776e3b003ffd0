package awstest

import (
	"net/netip"
	"strings"
)

type groupPair struct {
	ID    string `xml:"groupId"`
	Owner string `xml:"userId"`
}

// permission is a rule as DescribeSecurityGroups has it.
type permission struct {
	Protocol string      `xml:"ipProtocol"`
	From     *int        `xml:"fromPort"`
	To       *int        `xml:"toPort"`
	Groups   []groupPair `xml:"groups>item"`
	Ranges   []cidrRange `xml:"ipRanges>item"`
	Ranges6  []range6    `xml:"ipv6Ranges>item"`
	Prefixes []prefix    `xml:"prefixListIds>item"`
}

type cidrRange struct {
	CIDR        string `xml:"cidrIp"`
	Description string `xml:"description,omitempty"`
}

type range6 struct {
	CIDR        string `xml:"cidrIpv6"`
	Description string `xml:"description,omitempty"`
}

type prefix struct {
	ID string `xml:"prefixListId"`
}

// ports of a rule; where it is for all protocols EC2 names none.
func (u *Rule) ports() (from, to *int) {
	if u.Protocol == "-1" {
		return nil, nil
	}
	return &u.From, &u.To
}

func describeGroups(r *request) (any, error) {
	list, next, err := selected(r, "DescribeSecurityGroups", "GroupId", "InvalidGroup.NotFound", r.Groups, filters[SecurityGroup]{
		"group-id":   func(g *SecurityGroup) []string { return []string{g.ID} },
		"group-name": func(g *SecurityGroup) []string { return []string{g.Name} },
		"vpc-id":     func(g *SecurityGroup) []string { return []string{g.VPC} },
	})
	type item struct {
		Owner       string       `xml:"ownerId"`
		ID          string       `xml:"groupId"`
		Name        string       `xml:"groupName"`
		Description string       `xml:"groupDescription"`
		VPC         string       `xml:"vpcId"`
		Ingress     []permission `xml:"ipPermissions>item"`
		Egress      []permission `xml:"ipPermissionsEgress>item"`
		Tags        []ec2Tag     `xml:"tagSet>item"`
	}
	var items []item
	for _, g := range list {
		i := item{Owner: r.cloud.options.Account, ID: g.ID, Name: g.Name, Description: g.Description, VPC: g.VPC, Tags: ec2Tags(g.Tags)}
		for _, u := range g.Rules {
			p := permission{Protocol: u.Protocol}
			p.From, p.To = u.ports()
			switch {
			case strings.Contains(u.CIDR, ":"):
				p.Ranges6 = []range6{{u.CIDR, u.Description}}
			case u.CIDR != "":
				p.Ranges = []cidrRange{{u.CIDR, u.Description}}
			case u.Group != "":
				p.Groups = []groupPair{{u.Group, r.cloud.options.Account}}
			default:
				p.Prefixes = []prefix{{u.PrefixList}}
			}
			if u.Egress {
				i.Egress = append(i.Egress, p)
			} else {
				i.Ingress = append(i.Ingress, p)
			}
		}
		items = append(items, i)
	}
	return struct {
		Items []item `xml:"securityGroupInfo>item"`
		Next  string `xml:"nextToken,omitempty"`
	}{items, next}, err
}

// ruleItem is a rule as DescribeSecurityGroupRules has it.
type ruleItem struct {
	ID          string     `xml:"securityGroupRuleId"`
	Group       string     `xml:"groupId"`
	Owner       string     `xml:"groupOwnerId"`
	Egress      bool       `xml:"isEgress"`
	Protocol    string     `xml:"ipProtocol"`
	From        int        `xml:"fromPort"`
	To          int        `xml:"toPort"`
	CIDR        string     `xml:"cidrIpv4,omitempty"`
	CIDR6       string     `xml:"cidrIpv6,omitempty"`
	Prefix      string     `xml:"prefixListId,omitempty"`
	Referenced  *groupPair `xml:"referencedGroupInfo"`
	Description string     `xml:"description,omitempty"`
	Tags        []ec2Tag   `xml:"tagSet>item"`
}

func (r *request) ruleItem(group string, u Rule) ruleItem {
	i := ruleItem{ID: u.ID, Group: group, Owner: r.cloud.options.Account, Egress: u.Egress, Protocol: u.Protocol, From: u.From, To: u.To,
		CIDR: u.CIDR, Prefix: u.PrefixList, Description: u.Description, Tags: ec2Tags(u.Tags)}
	if strings.Contains(u.CIDR, ":") {
		i.CIDR, i.CIDR6 = "", u.CIDR
	}
	if u.Group != "" {
		i.Referenced = &groupPair{u.Group, r.cloud.options.Account}
	}
	return i
}

func describeRules(r *request) (any, error) {
	type entry struct {
		group string
		rule  Rule
	}
	all := map[string]*entry{}
	for _, g := range r.Groups {
		for _, u := range g.Rules {
			all[u.ID] = &entry{g.ID, u}
		}
	}
	list, next, err := selected(r, "DescribeSecurityGroupRules", "SecurityGroupRuleId", "InvalidSecurityGroupRuleId.NotFound", all,
		filters[entry]{
			"group-id":               func(e *entry) []string { return []string{e.group} },
			"security-group-rule-id": func(e *entry) []string { return []string{e.rule.ID} },
		})
	var items []ruleItem
	for _, e := range list {
		items = append(items, r.ruleItem(e.group, e.rule))
	}
	return struct {
		Items []ruleItem `xml:"securityGroupRuleSet>item"`
		Next  string     `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func authorizeEgress(r *request) (any, error) {
	f := r.form
	if err := f.need("GroupId"); err != nil {
		return nil, err
	}
	id := f.text("GroupId")
	if err := r.allow("ec2:AuthorizeSecurityGroupEgress", r.cloud.regional("ec2", "security-group/"+id)); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, s := range f.groups("TagSpecification") {
		if f.text(s+".ResourceType") != "security-group-rule" {
			return nil, bad("InvalidParameterValue", "awstest tags only rules here")
		}
		tags = f.tags(s + ".Tag")
	}
	if len(tags) > 0 {
		if err := r.allow("ec2:CreateTags", r.cloud.regional("ec2", "security-group-rule/*"), "ec2:CreateAction",
			"AuthorizeSecurityGroupEgress"); err != nil {
			return nil, err
		}
	}
	g := r.Groups[id]
	if g == nil {
		return nil, bad("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
	}
	rules := r.egress(tags)
	if err := f.done(); err != nil {
		return nil, err
	}
	for _, u := range rules {
		for _, old := range g.Rules {
			if old.Egress && old.Protocol == u.Protocol && old.From == u.From && old.To == u.To && old.CIDR == u.CIDR && old.Group == u.Group &&
				old.PrefixList == u.PrefixList {
				return nil, bad("InvalidPermission.Duplicate", "the specified rule \"peer: %s, %s, from port: %d, to port: %d, ALLOW\" already "+
					"exists", u.CIDR+u.Group, u.Protocol, u.From, u.To)
			}
		}
	}
	g.Rules = append(g.Rules, rules...)
	var items []ruleItem
	for _, u := range rules {
		items = append(items, r.ruleItem(id, u))
	}
	return struct {
		Return bool       `xml:"return"`
		Items  []ruleItem `xml:"securityGroupRuleSet>item"`
	}{true, items}, nil
}

// egress reads the rules of a request: one for each peer.
func (r *request) egress(tags map[string]string) []Rule {
	var rules []Rule
	f := r.form
	for _, p := range f.groups("IpPermissions") {
		u := Rule{Egress: true, Protocol: f.text(p + ".IpProtocol"), From: f.number(p + ".FromPort"), To: f.number(p + ".ToPort"), Tags: tags}
		if u.Protocol == "-1" {
			u.From, u.To = -1, -1
		}
		add := func(list string, set func(u *Rule, at string)) {
			for _, at := range f.groups(p + "." + list) {
				one := u
				one.ID, one.Description = r.cloud.newID("sgr"), f.text(at+".Description")
				set(&one, at)
				rules = append(rules, one)
			}
		}
		add("IpRanges", func(u *Rule, at string) { u.CIDR = f.text(at + ".CidrIp") })
		add("Ipv6Ranges", func(u *Rule, at string) { u.CIDR = f.text(at + ".CidrIpv6") })
		add("Groups", func(u *Rule, at string) { u.Group = f.text(at + ".GroupId") })
		add("PrefixListIds", func(u *Rule, at string) { u.PrefixList = f.text(at + ".PrefixListId") })
	}
	return rules
}

// way is a protocol and a port that has to be open.
type way struct {
	protocol string
	port     int
}

// trustPorts are what a directory needs of the other forest, at the least.
func trustPorts() []way {
	return []way{{"tcp", 53}, {"udp", 53}, {"tcp", 88}, {"udp", 88}, {"tcp", 389}, {"udp", 389}, {"tcp", 445}}
}

// joinPorts are what a cluster needs of the domain controllers.
func joinPorts() []way {
	return append(trustPorts(), way{"tcp", 135}, way{"tcp", 464}, way{"udp", 464}, way{"tcp", 636}, way{"udp", 123}, way{"tcp", 3268},
		way{"tcp", 3269},
		way{"tcp", 49152}, way{"tcp", 65535})
}

// lets reports whether security groups let something out to an address. A rule that
// names a group lets it out to the domain controllers in that group.
func (st *state) lets(groups []string, w way, ip string) bool {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	for _, id := range groups {
		g := st.Groups[id]
		if g == nil {
			continue
		}
		for _, u := range g.Rules {
			if !u.Egress || u.Protocol != "-1" && (u.Protocol != w.protocol || w.port < u.From || w.port > u.To) {
				continue
			}
			if p, err := netip.ParsePrefix(u.CIDR); err == nil && p.Contains(a) || u.Group != "" && st.inGroup(u.Group, ip) {
				return true
			}
		}
	}
	return false
}

func (st *state) inGroup(group, ip string) bool {
	for _, d := range st.Directories {
		for _, have := range d.DNS {
			if d.SecurityGroup == group && have == ip {
				return true
			}
		}
	}
	return false
}

// admits reports whether a group lets all that a join needs in from a network.
func (st *state) admits(group, cidr string) bool {
	network, err := netip.ParsePrefix(cidr)
	g := st.Groups[group]
	if err != nil || g == nil {
		return false
	}
	for _, w := range joinPorts() {
		found := false
		for _, u := range g.Rules {
			p, err := netip.ParsePrefix(u.CIDR)
			on := u.Protocol == "-1" || u.Protocol == w.protocol && u.From <= w.port && w.port <= u.To
			found = found || !u.Egress && on && err == nil && p.Bits() <= network.Bits() && p.Contains(network.Addr())
		}
		if !found {
			return false
		}
	}
	return true
}
