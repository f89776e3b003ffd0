package awstest

import (
	"maps"
	"slices"
	"strings"
)

type xmlMember struct {
	DBInstanceIdentifier          string
	IsClusterWriter               bool
	DBClusterParameterGroupStatus string
	PromotionTier                 int
}

type xmlMembership struct{ Domain, Status, FQDN, IAMRoleName string }

type xmlGroup struct{ VpcSecurityGroupId, Status string }

type xmlSecret struct {
	SecretArn, SecretStatus string
	KmsKeyId                string `xml:",omitempty"`
}

type xmlCluster struct {
	DBClusterIdentifier              string
	DBClusterArn                     string
	DbClusterResourceId              string
	Engine                           string
	EngineVersion                    string
	EngineMode                       string
	Status                           string
	Endpoint                         string
	ReaderEndpoint                   string
	Port                             int
	MasterUsername                   string
	MasterUserSecret                 *xmlSecret
	DatabaseName                     string `xml:",omitempty"`
	DBSubnetGroup                    string
	DBClusterParameterGroup          string
	HostedZoneId                     string
	Groups                           []xmlGroup      `xml:"VpcSecurityGroups>VpcSecurityGroupMembership"`
	Members                          []xmlMember     `xml:"DBClusterMembers>DBClusterMember"`
	Memberships                      []xmlMembership `xml:"DomainMemberships>DomainMembership"`
	Tags                             []xmlTag        `xml:"TagList>Tag"`
	ClusterCreateTime                string
	EarliestRestorableTime           string
	LatestRestorableTime             string
	BackupRetentionPeriod            int
	MultiAZ                          bool
	StorageEncrypted                 bool
	KmsKeyId                         string `xml:",omitempty"`
	DeletionProtection               bool
	IAMDatabaseAuthenticationEnabled bool
	GlobalClusterIdentifier          string `xml:",omitempty"`
}

func (r *request) describeCluster(k *Cluster) xmlCluster {
	x := xmlCluster{DBClusterIdentifier: k.ID, DBClusterArn: r.cloud.regional("rds", "cluster:"+k.ID), DbClusterResourceId: k.ResourceID,
		Engine:        k.Engine,
		EngineVersion: k.Version, EngineMode: "provisioned", Status: k.Status, MasterUsername: k.Master, DatabaseName: k.Database,
		DBSubnetGroup:           k.SubnetGroup,
		DBClusterParameterGroup: k.ParameterGroup, HostedZoneId: "Z2R2ITUGPM61AM", Tags: xmlTags(k.Tags), ClusterCreateTime: instant(k.Created),
		EarliestRestorableTime: instant(k.Created), LatestRestorableTime: instant(r.now), BackupRetentionPeriod: max(1, k.Backup),
		MultiAZ:          len(k.Members) > 1,
		StorageEncrypted: k.Encrypted, KmsKeyId: k.KMSKey, DeletionProtection: k.DeletionProtection, IAMDatabaseAuthenticationEnabled: k.IAMAuth}
	x.Endpoint, x.Port = r.cloud.endpoint(Endpoint{Cluster: k.ID})
	x.ReaderEndpoint, _ = r.cloud.endpoint(Endpoint{Cluster: k.ID, Reader: true})
	if r.now.Before(k.Created.Add(r.cloud.options.TagLag)) {
		x.Tags = nil
	}
	for _, g := range k.Groups {
		x.Groups = append(x.Groups, xmlGroup{g, "active"})
	}
	for _, id := range k.Members {
		x.Members = append(x.Members, xmlMember{id, id == k.Writer, applied(r.Instances[id].ClusterPendingReboot), 1})
	}
	for global, members := range r.GlobalMembers {
		if slices.Contains(members, x.DBClusterArn) {
			x.GlobalClusterIdentifier = global
		}
	}
	if k.Domain != "" {
		word := k.Member
		if other := r.cloud.options.MemberWords[word]; other != "" {
			word = other
		}
		x.Memberships = []xmlMembership{{k.Domain, word, k.DomainFQDN, k.DomainRole}}
	}
	if k.MasterSecret != "" {
		x.MasterUserSecret = &xmlSecret{k.MasterSecret, k.MasterSecretStatus, k.KMSKey}
	}
	return x
}

// listed is what a Describe of RDS has in common: it gives the one that is asked
// for, or all, a page at a time.
func listed[T, X any](r *request, action, kind, parameter, notFound string, all map[string]*T, write func(*T) X) (part []X,
	marker string, err error) {
	id := r.form.text(parameter)
	id = id[strings.LastIndex(id, ":")+1:]
	if kind != "subgrp" && kind != "cluster-snapshot" {
		id = strings.ToLower(id)
	}
	resource := id
	def(&resource, "*")
	if err := r.allow("rds:"+action, r.cloud.regional("rds", kind+":"+resource)); err != nil {
		return nil, "", err
	}
	var list []X
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if id == "" || id == name {
			list = append(list, write(all[name]))
		}
	}
	if id != "" && len(list) == 0 {
		return nil, "", failing(404, notFound, "%s %s not found.", kind, id)
	}
	r.form.text("MaxRecords")
	part, marker = page(r, list, r.form.text("Marker"))
	return part, marker, r.form.done()
}

func describeDBClusters(r *request) (any, error) {
	part, marker, err := listed(r, "DescribeDBClusters", "cluster", "DBClusterIdentifier", "DBClusterNotFoundFault", r.Clusters,
		r.describeCluster)
	return struct {
		Clusters []xmlCluster `xml:"DBClusters>DBCluster"`
		Marker   string       `xml:",omitempty"`
	}{part, marker}, err
}

type xmlSnapshot struct {
	DBClusterSnapshotIdentifier, DBClusterSnapshotArn, DBClusterIdentifier string
	Engine, EngineVersion, Status, MasterUsername                          string
	SnapshotType, SnapshotCreateTime                                       string
	PercentProgress                                                        int
	StorageEncrypted                                                       bool
}

func describeDBClusterSnapshots(r *request) (any, error) {
	write := func(s *Snapshot) xmlSnapshot {
		return xmlSnapshot{s.ID, r.cloud.regional("rds", "cluster-snapshot:"+s.ID), s.Cluster, s.Engine, s.Version, s.Status, s.Master,
			"manual", instant(s.Created), 100, s.Encrypted}
	}
	part, marker, err := listed(r, "DescribeDBClusterSnapshots", "cluster-snapshot", "DBClusterSnapshotIdentifier",
		"DBClusterSnapshotNotFoundFault", r.Snapshots, write)
	return struct {
		Snapshots []xmlSnapshot `xml:"DBClusterSnapshots>DBClusterSnapshot"`
		Marker    string        `xml:",omitempty"`
	}{part, marker}, err
}

type xmlZone struct{ Name string }

type xmlSubnet struct {
	SubnetIdentifier       string
	SubnetAvailabilityZone xmlZone
	SubnetStatus           string
}

type xmlSubnetGroup struct {
	DBSubnetGroupName, DBSubnetGroupDescription, DBSubnetGroupArn string
	VpcId, SubnetGroupStatus                                      string
	Subnets                                                       []xmlSubnet `xml:"Subnets>Subnet"`
}

func describeDBSubnetGroups(r *request) (any, error) {
	write := func(g *SubnetGroup) xmlSubnetGroup {
		x := xmlSubnetGroup{g.Name, g.Name, r.cloud.regional("rds", "subgrp:"+g.Name), g.VPC, "Complete", nil}
		for _, id := range g.Subnets {
			x.Subnets = append(x.Subnets, xmlSubnet{id, xmlZone{r.Subnets[id].Zone}, "Active"})
		}
		return x
	}
	part, marker, err := listed(r, "DescribeDBSubnetGroups", "subgrp", "DBSubnetGroupName", "DBSubnetGroupNotFoundFault",
		r.SubnetGroups, write)
	return struct {
		Groups []xmlSubnetGroup `xml:"DBSubnetGroups>DBSubnetGroup"`
		Marker string           `xml:",omitempty"`
	}{part, marker}, err
}

func describeGlobalClusters(r *request) (any, error) {
	if err := r.allow("rds:DescribeGlobalClusters", r.cloud.arn("rds", "", "global-cluster:*")); err != nil {
		return nil, err
	}
	type member struct {
		DBClusterArn string
		IsWriter     bool
	}
	type item struct {
		GlobalClusterIdentifier, GlobalClusterArn, Status, Engine string
		Members                                                   []member `xml:"GlobalClusterMembers>GlobalClusterMember"`
	}
	wanted, err := r.filtered("db-cluster-id")
	if err != nil {
		return nil, err
	}
	only := r.form.text("GlobalClusterIdentifier")
	var list []item
	for _, id := range slices.Sorted(maps.Keys(r.GlobalMembers)) {
		i := item{id, r.cloud.arn("rds", "", "global-cluster:"+id), "available", auroraMySQL, nil}
		match := len(wanted) == 0
		for n, arn := range r.GlobalMembers[id] {
			i.Members = append(i.Members, member{arn, n == 0})
			match = match || slices.ContainsFunc(wanted, func(w string) bool { return w == arn || strings.HasSuffix(arn, ":"+w) })
		}
		if match && (only == "" || only == id) {
			list = append(list, i)
		}
	}
	r.form.text("MaxRecords")
	part, marker := page(r, list, r.form.text("Marker"))
	return struct {
		Clusters []item `xml:"GlobalClusters>GlobalClusterMember"`
		Marker   string `xml:",omitempty"`
	}{part, marker}, r.form.done()
}

func describeOrderable(r *request) (any, error) {
	if err := r.allow("rds:DescribeOrderableDBInstanceOptions", "*"); err != nil {
		return nil, err
	}
	type item struct {
		Engine, EngineVersion, DBInstanceClass, LicenseModel string
		Vpc                                                  bool
		SupportsIAMDatabaseAuthentication                    bool
		SupportsKerberosAuthentication                       bool
	}
	f := r.form
	if err := f.need("Engine"); err != nil {
		return nil, err
	}
	fits := func(parameter, have string) bool { return f.text(parameter) == "" || f.text(parameter) == have }
	f.text("Vpc")
	f.text("MaxRecords")
	var list []item
	for _, v := range sorted(r.Versions) {
		for _, class := range v.Classes {
			if v.Deprecated { // believed: it is left out here, and in DescribeDBEngineVersions without IncludeAll
				continue
			}
			if fits("Engine", v.Engine) && fits("EngineVersion", v.Version) && fits("DBInstanceClass", class) {
				list = append(list, item{v.Engine, v.Version, class, "general-public-license", true, true, v.Kerberos})
			}
		}
	}
	part, marker := page(r, list, f.text("Marker"))
	for _, p := range []string{"EngineVersion", "DBInstanceClass"} {
		f.text(p) // read above only where there was something to compare
	}
	return struct {
		Options []item `xml:"OrderableDBInstanceOptions>OrderableDBInstanceOption"`
		Marker  string `xml:",omitempty"`
	}{part, marker}, f.done()
}
