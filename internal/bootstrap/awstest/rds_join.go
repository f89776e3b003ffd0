package awstest

import (
	"slices"
	"time"
)

// Statuses of a domain membership, as the Aurora User Guide lists them.
const (
	memberPending     = "pending-enable-kerberos"
	memberEnabling    = "enabling-kerberos"
	memberEnabled     = "kerberos-enabled"
	memberFailed      = "enable-kerberos-failed"
	memberMaintenance = "pending-maintenance-enable-kerberos"
)

// How long a membership takes: unverified, nobody publishes it.
const (
	joinPending  = time.Minute
	joinAgain    = 30 * time.Second // until there is a writer
	joinEnabling = 4 * time.Minute
)

// badRole is RDS's one answer for a role that is missing, not yet seen, or that
// does not trust it.
const badRole = "IAM role provided is not valid, please check that the role exists and has the correct policies"

// wish sets the domain of a cluster where one is asked for, if RDS would take it.
func (r *request) wish(k *Cluster, domain, role string) error {
	switch {
	case domain == "" && role == "":
		return nil
	case domain == "" || role == "":
		return bad("InvalidParameterCombination", "Domain and DomainIAMRoleName must be given together.")
	}
	arn := r.cloud.arn("iam", "", "role/"+role)
	if o := r.Roles[role]; o != nil {
		arn = r.cloud.roleARN(o)
	}
	if err := r.allow("iam:PassRole", arn, "iam:PassedToService", r.cloud.options.PassedToService); err != nil {
		return err
	}
	d := r.Directories[domain]
	switch {
	case d == nil || d.Stage != "Active":
		return failing(404, "DomainNotFoundFault", "Domain %s is not found.", domain)
	case d.Type != "MicrosoftAD" && d.Type != "SharedMicrosoftAD":
		return bad("InvalidParameterCombination", "Directory %s is of a type that is not supported.", domain)
	case len(d.Name) >= 62:
		return bad("InvalidParameterValue", "The domain name %s is too long.", d.Name)
	case r.Versions[k.Version] == nil || !r.Versions[k.Version].Kerberos:
		return bad("InvalidParameterCombination", "Kerberos authentication is not supported for engine %s version %s.", k.Engine, k.Version)
	case !r.cloud.assumable(r.Roles[role], k.ID):
		return bad("InvalidParameterCombination", badRole)
	}
	k.Domain, k.DomainRole, k.DomainFQDN, k.FailReason = domain, role, d.Name, r.reason
	return nil
}

// assumable reports whether RDS sees a role and is trusted by it. With its request
// come aws:SourceAccount and aws:SourceArn (Aurora user guide, "Preventing
// cross-service confused deputy problems"); that the ARN is the cluster's is a guess.
func (c *Cloud) assumable(o *Role, cluster string) bool {
	if o == nil || c.now().Before(o.Changed.Add(c.options.RoleDelay)) {
		return false
	}
	p, err := parsePolicy(o.Trust)
	context := map[string]string{"aws:SourceAccount": c.options.Account, "aws:SourceArn": c.regional("rds", "cluster:"+cluster)}
	if c.options.NoSource {
		context = nil
	}
	return err == nil && p.trusts(c.options.RolePrincipal, context) && p.trusts("rds.amazonaws.com", context)
}

// join plans the membership of a cluster. It does not get on without a writer.
func (c *Cloud) join(_ *state, k *Cluster, at time.Time) {
	k.Member = memberPending
	id := k.ID
	var enable func(st *state, at time.Time)
	enable = func(st *state, at time.Time) {
		k := st.Clusters[id]
		if w := st.Instances[k.Writer]; w == nil || w.Status != "available" {
			c.after(at.Add(joinAgain), enable)
			return
		}
		k.Member = memberEnabling
		c.after(at.Add(c.options.JoinTakes), func(st *state, _ time.Time) { c.joined(st, st.Clusters[id]) })
	}
	c.after(at.Add(joinPending), enable)
}

// joined ends a membership, well or not. After a modification only the writer has
// the plugin: the readers need a reboot.
func (c *Cloud) joined(st *state, k *Cluster) {
	if !c.joins(st, k) {
		k.Member = memberFailed
		return
	}
	k.Member = memberEnabled
	for _, id := range k.Members {
		i := st.Instances[id]
		i.Plugin = i.Plugin || !k.PluginLater || id == k.Writer && !c.options.WriterNeedsReboot
	}
}

func (c *Cloud) joins(st *state, k *Cluster) bool {
	d, role := st.Directories[k.Domain], st.Roles[k.DomainRole]
	if k.FailReason != "" || d == nil || d.Stage != "Active" || role == nil || !c.access(role, d.ID) {
		return false
	}
	if own := st.vpcOf(k); own != d.VPC && d.Type == "MicrosoftAD" && !st.leads(own, d.VPC) {
		return false
	}
	// The controllers' group admits its own VPC only (Directory Service guide; reported
	// for terraform-provider-aws, issue 44013).
	if v := st.VPCs[st.vpcOf(k)]; v != nil && v.ID != d.VPC && d.SecurityGroup != "" && !st.admits(d.SecurityGroup, v.CIDR) {
		return false
	}
	return !slices.ContainsFunc(d.DNS, func(ip string) bool {
		return slices.ContainsFunc(joinPorts(), func(w way) bool { return !st.lets(k.Groups, w, ip) })
	})
}

// leads reports whether there is an active peering between two VPCs with a route to it.
func (st *state) leads(from, to string) bool {
	for _, t := range st.RouteTables {
		for _, x := range t.Routes {
			if p := st.Peerings[x.Peering]; t.VPC == from && p != nil && p.Status == "active" && (p.Accepter == to || p.Requester == to) {
				return true
			}
		}
	}
	return false
}
