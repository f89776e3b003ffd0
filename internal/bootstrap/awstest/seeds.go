package awstest

import (
	"fmt"
	"net/netip"
)

// AddVPC adds to the account a VPC with its default security group (all egress, and
// ingress from itself) and a main route table. It gives the group's id.
func (c *Cloud) AddVPC(id, cidr string) (defaultGroup string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.VPCs[id] = &VPC{ID: id, CIDR: cidr}
	c.state.RouteTables["rtb-"+id] = &RouteTable{ID: "rtb-" + id, VPC: id, Main: true}
	defaultGroup = c.newID("sg")
	c.state.Groups[defaultGroup] = &SecurityGroup{ID: defaultGroup, Name: "default", Description: "default VPC security group", VPC: id,
		Rules: []Rule{
			{ID: c.newID("sgr"), Egress: true, Protocol: "-1", From: -1, To: -1, CIDR: "0.0.0.0/0"},
			{ID: c.newID("sgr"), Protocol: "-1", From: -1, To: -1, Group: defaultGroup},
		}}
	c.remember()
	return defaultGroup
}

// SetTenancy changes the tenancy of a VPC: dedicated.
func (c *Cloud) SetTenancy(vpc, tenancy string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.VPCs[vpc].Tenancy = tenancy
	c.remember()
}

// AddSubnet adds to a VPC a subnet in a zone: us-east-1a with the zone's id use1-az1.
func (c *Cloud) AddSubnet(id, vpc, cidr, zone, zoneID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Subnets[id] = &Subnet{ID: id, VPC: vpc, CIDR: cidr, Zone: zone, ZoneID: zoneID}
	c.remember()
}

// AddSecurityGroup adds to a VPC a security group with these rules. Rules without
// an id get one. Without any egress rule nothing gets out.
func (c *Cloud) AddSecurityGroup(id, vpc string, rules ...Rule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range rules {
		if rules[i].ID == "" {
			rules[i].ID = c.newID("sgr")
		}
	}
	c.state.Groups[id] = &SecurityGroup{ID: id, Name: id, Description: id, VPC: vpc, Rules: rules}
	c.remember()
}

// AllEgress is the rule that security groups are made with.
func AllEgress() Rule {
	return Rule{Egress: true, Protocol: "-1", From: -1, To: -1, CIDR: "0.0.0.0/0"}
}

// AddPeering connects two VPCs; with routed, their main route tables lead to each other.
func (c *Cloud) AddPeering(id, requester, accepter string, routed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Peerings[id] = &Peering{id, requester, accepter, "active"}
	if routed {
		for _, pair := range [][2]string{{requester, accepter}, {accepter, requester}} {
			t := c.state.RouteTables["rtb-"+pair[0]]
			t.Routes = append(t.Routes, Route{CIDR: c.state.VPCs[pair[1]].CIDR, Peering: id})
		}
	}
	c.remember()
}

// AddSubnetGroup adds to RDS a subnet group in the VPC of its subnets.
func (c *Cloud) AddSubnetGroup(name string, subnets ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.SubnetGroups[name] = &SubnetGroup{Name: name, VPC: c.state.Subnets[subnets[0]].VPC, Subnets: subnets}
	c.remember()
}

// AddDirectory adds to the account a directory that was made before. What is empty
// is filled in: an active AWS Managed Microsoft AD with two domain controllers.
func (c *Cloud) AddDirectory(d Directory) (id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	def(&d.ID, c.newID("d"))
	def(&d.Type, "MicrosoftAD")
	def(&d.Edition, "Standard")
	def(&d.Stage, "Active")
	c.state.Directories[d.ID] = &d
	d.Launched, d.Updated = c.now(), c.now()
	c.directoryGroup(c.state, &d)
	c.directoryControllers(&d)
	c.remember()
	return d.ID
}

// AddCluster adds to the account a cluster with its instances, the first of which
// is the writer. What is empty is filled in: available, Aurora MySQL 3.04.0.
func (c *Cloud) AddCluster(k Cluster, instances ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	def(&k.Status, "available")
	c.newCluster(c.state, &k)
	for _, id := range instances {
		i := &Instance{ID: id, Cluster: k.ID, Class: "db.r6g.large", Status: "available"}
		c.newInstance(c.state, i)
		i.Plugin = k.Member == memberEnabled
	}
	c.remember()
}

// AddInstance adds to a cluster a reader that somebody has just made.
func (c *Cloud) AddInstance(id, cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newInstance(c.state, &Instance{ID: id, Cluster: cluster, Class: "db.r6g.large", Status: "available"})
	c.remember()
}

// AddEvent adds to RDS an event that just happened to an instance or a cluster.
func (c *Cloud) AddEvent(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.At = c.now()
	c.state.Events = append(c.state.Events, e)
	c.remember()
}

// AddInterface adds to a VPC a network interface with a private address.
func (c *Cloud) AddInterface(vpc, address string, groups ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.newID("eni")
	c.state.Interfaces[id] = &Interface{id, vpc, address, groups}
	c.remember()
}

// SetInstance changes the status of an instance, and whether a reboot is pending.
func (c *Cloud) SetInstance(id, status string, pendingReboot bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Instances[id].Status, c.state.Instances[id].PendingReboot = status, pendingReboot
	c.remember()
}

// SetMember changes the state of a cluster's membership.
func (c *Cloud) SetMember(cluster, member string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Clusters[cluster].Member = member
	c.remember()
}

// SetController changes the status of a directory's n-th domain controller.
func (c *Cloud) SetController(directory string, n int, status string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Directories[directory].Controllers[n].Status = status
	c.remember()
}

// DeleteCluster takes a cluster away and keeps its automated backups. It returns
// its resource id.
func (c *Cloud) DeleteCluster(id string) (resource string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.state.Clusters[id]
	delete(c.state.Clusters, id)
	for _, i := range k.Members {
		delete(c.state.Instances, i)
	}
	c.state.Gone[k.ResourceID] = k
	c.remember()
	return k.ResourceID
}

// AddSnapshot adds to the account a snapshot of a cluster that is available.
func (c *Cloud) AddSnapshot(s Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	def(&s.Engine, auroraMySQL)
	def(&s.Version, defaultVersion)
	def(&s.Status, "available")
	def(&s.Master, "admin")
	s.Created = c.now()
	c.state.Snapshots[s.ID] = &s
	c.remember()
}

// AddGlobalCluster makes existing clusters members of a global database, the
// first as its writer.
func (c *Cloud) AddGlobalCluster(id string, clusters ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range clusters {
		c.state.GlobalMembers[id] = append(c.state.GlobalMembers[id], c.regional("rds", "cluster:"+k))
	}
	c.remember()
}

// AddEngineVersion makes a version orderable.
func (c *Cloud) AddEngineVersion(v EngineVersion) {
	c.mu.Lock()
	defer c.mu.Unlock()
	def(&v.Engine, auroraMySQL)
	c.state.Versions[v.Version] = &v
	c.remember()
}

// AddRole adds to the account a role. RDS sees it at once.
func (c *Cloud) AddRole(r Role) {
	c.mu.Lock()
	defer c.mu.Unlock()
	def(&r.Path, "/")
	def(&r.ID, "AROA"+r.Name)
	r.Created = c.now()
	c.state.Roles[r.Name] = &r
	c.remember()
}

// RemoveRole takes a role away.
func (c *Cloud) RemoveRole(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.state.Roles, name)
	c.remember()
}

// AddPolicy adds to the account a customer managed policy and returns its ARN.
func (c *Cloud) AddPolicy(name, document string) (arn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	arn = c.arn("iam", "", "policy/"+name)
	c.state.Policies[arn] = document
	c.remember()
	return arn
}

// AddSecret adds to the account a secret with a text.
func (c *Cloud) AddSecret(name, value string) (arn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.newSecret(name)
	s.put(c.newUUID(), value, c.now())
	c.state.Secrets[name] = s
	c.remember()
	return s.ARN
}

// DeleteSecretLater deletes a secret as the console does: its name stays taken for 30 days.
func (c *Cloud) DeleteSecretLater(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Secrets[name].Deleted = true
	c.remember()
}

// EncryptSecret encrypts a secret with a customer managed KMS key, of this id.
func (c *Cloud) EncryptSecret(name, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Secrets[name].KMSKey = key
	c.remember()
}

// OtherSide makes the other forest's half of a trust: from now on the trust with
// that domain verifies, where the password is the same and the directory's
// security group lets it out to the forwarders.
func (c *Cloud) OtherSide(domain, password string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.OtherSides[domain] = &otherSide{password}
}

// SetStage changes a directory's stage, with a reason.
func (c *Cloud) SetStage(directory, stage, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.state.Directories[directory]; d != nil {
		d.Stage, d.StageReason, d.Updated = stage, reason, c.now()
		c.remember()
	}
}

// Failover makes another instance of a cluster its writer.
func (c *Cloud) Failover(cluster, writer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.state.Clusters[cluster]; k != nil {
		k.Writer = writer
		c.remember()
	}
}

// Window is the maintenance window of a cluster: what was left for it happens.
func (c *Cloud) Window(cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.state.Clusters[cluster]; k != nil && k.Member == memberMaintenance {
		c.join(c.state, k, c.now())
		c.remember()
	}
}

func def(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// newID makes an id as AWS has them: d-9067000001, sg-0a00000000000001.
func (c *Cloud) newID(kind string) string {
	c.serial++
	switch kind {
	case "d", "dc", "t":
		return fmt.Sprintf("%s-9067%06x", kind, c.serial)
	default:
		return fmt.Sprintf("%s-0a%015x", kind, c.serial)
	}
}

func (c *Cloud) newUUID() string {
	c.serial++
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", c.serial)
}

// addressIn is the n-th address of a network that AWS gives out (the first four are AWS's own).
func addressIn(cidr string, n int) string {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return ""
	}
	a := p.Masked().Addr()
	for range n + 4 {
		a = a.Next()
	}
	return a.String()
}
