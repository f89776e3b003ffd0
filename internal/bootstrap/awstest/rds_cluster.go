package awstest

import (
	"slices"
	"strings"
	"time"
)

func createDBCluster(r *request) (any, error) {
	f := r.form
	if err := f.need("DBClusterIdentifier", "Engine"); err != nil {
		return nil, err
	}
	k := &Cluster{Engine: f.text("Engine"), Version: f.text("EngineVersion"), Master: f.text("MasterUsername"),
		MasterPassword: f.text("MasterUserPassword"), Database: f.text("DatabaseName")}
	if err := r.begin("CreateDBCluster", k); err != nil {
		return nil, err
	}
	managed, key := f.boolean("ManageMasterUserPassword"), f.text("MasterUserSecretKmsKeyId")
	switch {
	case managed && k.MasterPassword != "":
		return nil, bad("InvalidParameterCombination", "You can't specify MasterUserPassword with ManageMasterUserPassword.")
	case !managed && (len(k.MasterPassword) < 8 || len(k.MasterPassword) > 41 || strings.ContainsAny(k.MasterPassword, `/"@ `)):
		return nil, bad("InvalidParameterValue", "The parameter MasterUserPassword is not a valid password.")
	case k.Master == "":
		return nil, bad("InvalidParameterValue", "The parameter MasterUsername must be provided and must not be blank.")
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	if managed {
		if err := r.manageSecret(k, key); err != nil {
			return nil, err
		}
	}
	return r.finish(k, clusterCreating)
}

func restoreFromSnapshot(r *request) (any, error) {
	f := r.form
	if err := f.need("DBClusterIdentifier", "SnapshotIdentifier", "Engine"); err != nil {
		return nil, err
	}
	id := f.text("SnapshotIdentifier")
	arn := id
	if !strings.HasPrefix(id, "arn:") {
		arn = r.cloud.regional("rds", "cluster-snapshot:"+id)
	}
	if err := r.allow("rds:RestoreDBClusterFromSnapshot", arn); err != nil {
		return nil, err
	}
	s := r.Snapshots[id[strings.LastIndex(id, ":")+1:]]
	if s == nil {
		return nil, failing(404, "DBClusterSnapshotNotFoundFault", "DBClusterSnapshot %s not found.", id)
	}
	if s.Status != "available" {
		return nil, bad("InvalidDBClusterSnapshotStateFault", "The snapshot is not available.")
	}
	k := &Cluster{Engine: f.text("Engine"), Version: f.text("EngineVersion"), Master: s.Master, RestoredFrom: s.ID}
	// The API model: "If not specified, the default version" (aws-sdk-go issue 3786 found the snapshot's).
	if err := r.begin("RestoreDBClusterFromSnapshot", k); err != nil {
		return nil, err
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	k.Encrypted = s.Encrypted
	was := s.ParameterGroup
	def(&was, k.ParameterGroup)
	return r.restored(k, was)
}

func restoreToPointInTime(r *request) (any, error) {
	f := r.form
	if err := f.need("DBClusterIdentifier"); err != nil {
		return nil, err
	}
	id, resource := f.text("SourceDBClusterIdentifier"), f.text("SourceDbClusterResourceId")
	if (id == "") == (resource == "") {
		return nil, bad("InvalidParameterCombination", "Exactly one of SourceDBClusterIdentifier and SourceDbClusterResourceId must be given.")
	}
	id = id[strings.LastIndex(id, ":")+1:]
	if err := r.allow("rds:RestoreDBClusterToPointInTime", r.cloud.regional("rds", "cluster:"+id)); err != nil {
		return nil, err
	}
	source := r.Clusters[id]
	if resource != "" { // of a cluster that was deleted (terraform-provider-aws issue 38549)
		source = r.Gone[resource]
	}
	if source == nil {
		return nil, failing(404, "DBClusterNotFoundFault", "DBCluster %s not found.", id)
	}
	at, latest := f.text("RestoreToTime"), f.boolean("UseLatestRestorableTime")
	restored, err := time.Parse(time.RFC3339, at)
	switch {
	case (at == "") != latest:
		return nil, bad("InvalidParameterCombination", "Exactly one of RestoreToTime and UseLatestRestorableTime must be given.")
	case at != "" && (err != nil || restored.After(r.now) || restored.Before(source.Created)):
		return nil, bad("InvalidParameterValue", "The specified time is not within the restorable window.")
	case f.text("RestoreType") != "" && f.text("RestoreType") != "full-copy" && f.text("RestoreType") != "copy-on-write":
		return nil, bad("InvalidParameterValue", "Invalid restore type.")
	}
	k := &Cluster{Engine: source.Engine, Version: source.Version, Master: source.Master, Encrypted: source.Encrypted, RestoredFrom: source.ID}
	if err := r.begin("RestoreDBClusterToPointInTime", k); err != nil {
		return nil, err
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	return r.restored(k, source.ParameterGroup)
}

// restored keeps a cluster that is being restored from one with a parameter
// group. One that was initialized with other parameters than it gets now
// (lower_case_table_names can be set only then) does not start: believed.
func (r *request) restored(k *Cluster, was string) (any, error) {
	answer, err := r.finish(k, clusterRestoring)
	if strings.HasPrefix(was, "lowercase") && k.ParameterGroup != was {
		id := k.ID
		r.cloud.after(r.now.Add(clusterRestoring), func(st *state, _ time.Time) { st.Clusters[id].Status = "incompatible-parameters" })
	}
	return answer, err
}

// begin is what the calls that make a cluster have in common, up to the last check.
func (r *request) begin(action string, k *Cluster) error {
	f := r.form
	k.ID = strings.ToLower(f.text("DBClusterIdentifier"))
	arn := r.cloud.regional("rds", "cluster:"+k.ID)
	if err := r.allow("rds:"+action, arn); err != nil {
		return err
	}
	if k.Tags = f.tags("Tags.Tag"); len(k.Tags) > 0 {
		if err := r.allow("rds:AddTagsToResource", arn); err != nil {
			return err
		}
	}
	if !r.LinkedRole {
		role := r.cloud.arn("iam", "", "role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS")
		if err := r.allow("iam:CreateServiceLinkedRole", role, "iam:AWSServiceName", "rds.amazonaws.com"); err != nil {
			// RDS does not pass the refusal on (reported for eks-workshop-v2, issue 1609).
			return bad("InvalidParameterValue", "Unable to create the resource. Verify that you have permission to create service linked role. "+
				"Otherwise wait and try again later")
		}
		r.LinkedRole = true
	}
	k.SubnetGroup, k.Groups, k.ParameterGroup = f.text("DBSubnetGroupName"), f.list("VpcSecurityGroupIds.VpcSecurityGroupId"),
		f.text("DBClusterParameterGroupName")
	k.KMSKey, k.DeletionProtection, k.IAMAuth = f.text("KmsKeyId"), f.boolean("DeletionProtection"),
		f.boolean("EnableIAMDatabaseAuthentication")
	k.Encrypted, k.Backup = f.boolean("StorageEncrypted"), f.number("BackupRetentionPeriod")
	k.ExtendedSupport = f.text("EngineLifecycleSupport") != "open-source-rds-extended-support-disabled" // the model: enabled by default
	if least, most := f.text("ServerlessV2ScalingConfiguration.MinCapacity"),
		f.text("ServerlessV2ScalingConfiguration.MaxCapacity"); least != "" || most != "" {
		k.Capacity = least + "-" + most
	}
	def(&k.SubnetGroup, "default")
	def(&k.Version, defaultVersion)
	group := r.SubnetGroups[k.SubnetGroup]
	switch {
	case r.Clusters[k.ID] != nil:
		return bad("DBClusterAlreadyExistsFault", "DB Cluster already exists")
	case group == nil:
		return failing(404, "DBSubnetGroupNotFoundFault", "DB subnet group '%s' does not exist.", k.SubnetGroup)
	case k.Engine != auroraMySQL || r.Versions[k.Version] == nil:
		return bad("InvalidParameterCombination", "Cannot find version %s for %s", k.Version, k.Engine)
	case k.ParameterGroup != "" && !r.hasGroup(k.ParameterGroup):
		return failing(404, "DBClusterParameterGroupNotFound", "DBClusterParameterGroup not found: %s", k.ParameterGroup)
	case slices.ContainsFunc(k.Groups, func(g string) bool { return r.Groups[g] == nil || r.Groups[g].VPC != group.VPC }):
		return bad("InvalidParameterCombination", "The DB instance and EC2 security group are in different VPCs.")
	}
	if err := r.storageKey(k); err != nil {
		return err
	}
	return r.wish(k, f.text("Domain"), f.text("DomainIAMRoleName"))
}

// storageKey demands what RDS does in the caller's name with the key of a cluster's storage: of
// a customer managed one (Amazon RDS User Guide, "AWS KMS key management"). The policy of the
// default key, aws/rds, lets everybody in who may use RDS (AWS KMS Developer Guide, "AWS managed keys").
func (r *request) storageKey(k *Cluster) error {
	switch {
	case k.KMSKey == "" && !r.cloud.options.DefaultKeyAsks:
		return nil
	case k.KMSKey != "" && r.cloud.keyUnknown():
		return noKey(k.KMSKey) // crossplane-contrib/provider-aws#902: a key that was made a moment ago
	}
	key := k.KMSKey
	def(&key, "0e000000-0000-4000-8000-00000000d0f4")
	if err := r.viaService("rds", key, "DescribeKey", "CreateGrant"); err != nil {
		return noKey(key)
	}
	return nil
}

// finish keeps a cluster that is being made.
func (r *request) finish(k *Cluster, takes time.Duration) (any, error) {
	k.Status = "creating"
	if r.cloud.options.NoDomainAtCreation {
		k.Domain = ""
	}
	if k.Domain != "" {
		k.Member = memberPending
	}
	r.cloud.newCluster(r.state, k)
	id := k.ID
	r.cloud.after(r.now.Add(takes), func(st *state, _ time.Time) {
		if k := st.Clusters[id]; k != nil && k.Status == "creating" {
			k.Status = "available"
		}
	})
	if k.Domain != "" {
		r.cloud.join(r.state, k, r.now)
	}
	return clusterAnswer{Cluster: r.describeCluster(k)}, nil
}

type clusterAnswer struct {
	Cluster xmlCluster `xml:"DBCluster"`
}

func modifyDBCluster(r *request) (any, error) {
	f := r.form
	k, err := r.cluster("ModifyDBCluster")
	if err != nil {
		return nil, err
	}
	if k.Status != "available" {
		return nil, bad("InvalidDBClusterStateFault", "DBCluster %s is not currently in the available state.", k.ID)
	}
	now := f.boolean("ApplyImmediately")
	groups, password := f.list("VpcSecurityGroupIds.VpcSecurityGroupId"), f.text("MasterUserPassword")
	domain, role, parameters := f.text("Domain"), f.text("DomainIAMRoleName"), f.text("DBClusterParameterGroupName")
	managed, key := f.boolean("ManageMasterUserPassword"), f.text("MasterUserSecretKmsKeyId")
	switch {
	case domain == "none":
		return nil, bad("InvalidParameterValue", "awstest takes no cluster out of its domain")
	case domain != "" && slices.Contains([]string{memberPending, memberEnabling}, k.Member):
		return nil, bad("InvalidDBClusterStateFault", "DBCluster %s is joining a domain.", k.ID)
	case managed && password != "":
		return nil, bad("InvalidParameterCombination", "You can't specify MasterUserPassword with ManageMasterUserPassword.")
	case parameters != "" && !r.hasGroup(parameters):
		return nil, failing(404, "DBClusterParameterGroupNotFound", "DBClusterParameterGroup not found: %s", parameters)
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	wished := *k
	if err := r.wish(&wished, domain, role); err != nil {
		return nil, err
	}
	if managed {
		if err := r.manageSecret(&wished, key); err != nil {
			return nil, err
		}
	}
	*k = wished
	switch {
	case domain == "":
	case now:
		k.PluginLater = true
		r.cloud.join(r.state, k, r.now)
	default:
		k.PluginLater, k.Member = true, memberMaintenance
	}
	if len(groups) > 0 {
		k.Groups = groups
	}
	if parameters != "" && parameters != k.ParameterGroup && (now || !r.cloud.options.ParametersInWindow) {
		// The name changes at once, what it says with the next reboot of each instance (RDS
		// API reference, ModifyDBCluster).
		k.ParameterGroup = parameters
		r.unboot(k)
	}
	if password != "" {
		k.MasterPassword = password
	}
	if now {
		r.cloud.change(k, password != "" || managed)
	}
	return clusterAnswer{Cluster: r.describeCluster(k)}, nil
}

// change plans the statuses of a modification: it says available for a while still.
func (c *Cloud) change(k *Cluster, credentials bool) {
	id, status := k.ID, "modifying"
	if credentials {
		status = "resetting-master-credentials"
	}
	from := c.now().Add(clusterUnmoved)
	c.after(from, func(st *state, _ time.Time) { st.Clusters[id].Status = status })
	c.after(from.Add(clusterModifying), func(st *state, _ time.Time) { st.Clusters[id].Status = "available" })
}
