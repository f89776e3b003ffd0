package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// awsRules are about what AWS reports. It decides nothing: where it differs from what
// packets found, both are shown.
func awsRules() []Rule {
	const instances = "aws rds describe-db-instances --query 'DBInstances[].[DBInstanceIdentifier,DBInstanceStatus,DomainMemberships]'"
	const clusters = "aws rds describe-db-clusters --query 'DBClusters[].[DBClusterIdentifier,Status,DomainMemberships]'"
	return []Rule{{
		Code: "aws-membership", Severity: Warning, Remark: true,
		Title: "database {database}: AWS reports the directory membership of {place} as {membership}",
		Means: "AWS reports that the cluster, or an instance of it, is not yet or no longer a member of the directory. This is what " +
			"AWS reports, not what kerbagent measured: logins may still work for a while.",
		Cause: "AWS's own view, read {age} ago: {membership}.",
		Remedy: do("While the state begins with pending, wait some minutes. If it is failed, the usual causes are the cluster's IAM role, or security "+
			"groups that keep the cluster from the directory. Remove the cause, then run the last command: AWS tries again when the cluster is modified with the same directory. CAUTION: this changes the cluster at once.", clusters, instances,
			"aws rds modify-db-cluster --db-cluster-identifier <cluster> --domain <directory> --domain-iam-role-name <role> --apply-immediately"),
		match: awsMembership,
	}, {
		Code: "aws-directory", Severity: Warning, Remark: true,
		Title: "directory {directory}: AWS reports {what}",
		Means: "AWS reports that the directory, or one of its domain controllers, is not Active. This is what AWS reports, not what kerbagent measured: " +
			"the probes say which controllers answer.",
		Cause: "AWS's own view, read {age} ago: {detail}.",
		Remedy: do("An impaired directory is usually repaired by AWS within 40 minutes; do not restore a snapshot during that time. If the state lasts "+
			"longer, or the directory is Inoperable or Failed, ask AWS Support.",
			"aws ds describe-directories --query 'DirectoryDescriptions[].[DirectoryId,Name,Stage,StageReason]'"),
		match: awsDirectory,
	}, {
		Code: "aws-security-group", Severity: Info, Remark: true,
		Title: "{place}: no rule of its security groups allows this host to reach {lacks}",
		Means: "No rule of the security groups allows this host's address. Only security groups were read, not routes or network " +
			"ACLs. A rule that was just added appears here when AWS is read again.",
		Cause: "AWS's own view, read {age} ago: {groups} have no rule that allows {from} to reach {lacks}. {packets}.",
		Remedy: do("See which rules there are. If this host is meant to connect, have a rule for its address added: the last command does so.",
			"aws ec2 describe-security-groups --group-ids <group> --query 'SecurityGroups[].IpPermissions'",
			"aws ec2 authorize-security-group-ingress --group-id <group> --protocol tcp --port <port of the server> --cidr <address of this host>/32"),
		match: awsWays,
	}, {
		Code: "aws-view-incomplete", Severity: Info, Remark: true,
		Title: "AWS could not be read completely in {region}",
		Means: "kerbagent is configured to read what AWS reports about the clusters of the databases, but could not read all of it. " +
			"Credentials or a permission are missing, this host cannot reach AWS's API, or the name of a database does not show " +
			"which cluster it belongs to. The probes and their findings do not depend on AWS.",
		Cause: "{why}.",
		Remedy: do("Attach the read-only policy that the first command prints to the role or user that the second command shows. Then check again.",
			"kerbagent bootstrap policy --for observe", "aws sts get-caller-identity", "kerbagent check --aws"),
		match: func(v *view) (out []match) {
			for _, r := range v.aws {
				why := r.Facts[probe.FactNotSeen]
				if r.ID.Variant == "" && r.Outcome == probe.Skipped && r.Facts[probe.FactRegion] != "" || r.ID.Target == "region" {
					why = r.Err.Error()
				}
				if why != "" {
					out = append(out, v.awsMatch(r, words{"why": why, "region": r.ID.Target}))
				}
			}
			return out
		},
	}}
}

func (v *view) awsMatch(r *probe.Result, w words) match {
	return match{affects: []*probe.Result{r}, words: wordsOf(r).and(words{"age": v.age(r)}).and(w),
		evidence: evidenceOf(r, probe.FactState, probe.FactStateWhy, probe.FactMembership, probe.FactControllers, probe.FactGroups)}
}

// age is how old a reading of AWS is, in words.
func (v *view) age(r *probe.Result) string {
	switch d := v.snap.Now.Sub(r.Started); {
	case d < 90e9:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	default:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
}

// isMember reports whether AWS's word for a membership says that it is complete. The
// words are those of the Aurora user guide; CloudFormation knows "joined" too.
func isMember(state string) bool { return state == "kerberos-enabled" || state == "joined" }

func awsMembership(v *view) (out []match) {
	add := func(r *probe.Result, place, state string) {
		m := v.awsMatch(r, words{"place": place, "membership": state})
		if strings.HasPrefix(state, "pending-") && !strings.Contains(state, "disable") || state == "enabling-kerberos" {
			m.severity = Info
		}
		out = append(out, m)
	}
	for _, r := range v.aws {
		state := r.Facts[probe.FactMembership]
		switch {
		case r.ID.Variant == probe.AWSCluster && state == "":
			add(r, "the cluster "+r.Facts[probe.FactCluster], "none (it is joined to no directory)")
		case r.ID.Variant == probe.AWSCluster && !isMember(state):
			add(r, "the cluster "+r.Facts[probe.FactCluster], state)
		case r.ID.Variant == probe.AWSInstance && state != "" && !isMember(state):
			add(r, "the instance", state)
		}
	}
	return out
}

func awsDirectory(v *view) (out []match) {
	for _, r := range v.aws {
		if r.ID.Variant != probe.AWSDirectory {
			continue
		}
		var bad []string
		why := ""
		if stage := r.Facts[probe.FactState]; stage != "Active" {
			bad = append(bad, "the directory as "+stage)
			if text := r.Facts[probe.FactStateWhy]; text != "" {
				why = " (" + strings.TrimRight(text, ".") + ")"
			}
		}
		for c := range strings.SplitSeq(r.Facts[probe.FactControllers], ", ") {
			if address, state, _ := strings.Cut(c, " "); c != "" && state != "Active" {
				bad = append(bad, "the domain controller "+address+" as "+state)
			}
		}
		if len(bad) > 0 {
			out = append(out, v.awsMatch(r, words{"what": few(bad), "detail": clauses(bad) + why, "directory": r.ID.Target}))
		}
	}
	return out
}

func awsWays(v *view) (out []match) {
	for _, r := range v.aws {
		if r.ID.Variant != probe.AWSWay || r.Facts[probe.FactState] != probe.WayRefused {
			continue
		}
		place := "directory " + r.ID.Target
		about := func(p *probe.Result) bool {
			return slices.Contains([]probe.Kind{probe.KDC, probe.Kpasswd}, p.ID.Kind) && p.Facts[probe.FactRealm] == r.Facts[probe.FactRealm]
		}
		if db := r.Facts[probe.FactDatabase]; db != "" {
			place = "database " + db
			about = func(p *probe.Result) bool { return p.ID.Kind == probe.Database && p.Facts[probe.FactDatabase] == db }
		}
		silent, heard := false, false
		for _, p := range v.all {
			silent, heard = silent || about(p) && onPath(p), heard || about(p) && answered(p)
		}
		packets := "No probe has asked it, so nothing confirms it"
		switch {
		case silent && heard:
			packets = "Some probes get no answer there, others do"
		case silent:
			packets = "The probes get no answer there either"
		case heard:
			packets = "The probes are answered all the same: another way leads there, or the rules were just changed"
		}
		out = append(out, v.awsMatch(r, words{"place": place, "lacks": r.Facts[probe.FactLacks], "from": r.Facts[probe.FactFrom],
			"groups": r.Facts[probe.FactGroups], "packets": packets}))
	}
	return out
}
