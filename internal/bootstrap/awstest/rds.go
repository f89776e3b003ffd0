package awstest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	auroraMySQL    = "aurora-mysql"
	defaultVersion = "8.0.mysql_aurora.3.04.0"
)

// How long clusters and instances take.
const (
	clusterCreating   = 150 * time.Second
	clusterRestoring  = 20 * time.Minute
	clusterUnmoved    = 30 * time.Second // it says available still, though it was told to change
	clusterModifying  = time.Minute
	instanceCreating  = 10 * time.Minute
	instanceRebooting = time.Minute
	secretCreating    = time.Minute
)

func rdsActions() map[string]action {
	return map[string]action{
		"AddTagsToResource":                  {mutating: true, run: addRDSTags},
		"CreateDBCluster":                    {mutating: true, run: createDBCluster},
		"CreateDBClusterParameterGroup":      {mutating: true, run: createParameterGroup},
		"ModifyDBClusterParameterGroup":      {mutating: true, run: modifyParameterGroup},
		"DescribeDBClusterParameters":        {run: describeParameters},
		"CreateDBInstance":                   {mutating: true, run: createDBInstance},
		"ModifyDBCluster":                    {mutating: true, run: modifyDBCluster},
		"RebootDBInstance":                   {mutating: true, run: rebootDBInstance},
		"RestoreDBClusterFromSnapshot":       {mutating: true, run: restoreFromSnapshot},
		"RestoreDBClusterToPointInTime":      {mutating: true, run: restoreToPointInTime},
		"DescribeDBClusterSnapshots":         {run: describeDBClusterSnapshots},
		"DescribeDBClusters":                 {run: describeDBClusters},
		"DescribeDBInstances":                {run: describeDBInstances},
		"DescribeDBSubnetGroups":             {run: describeDBSubnetGroups},
		"DescribeEvents":                     {run: describeEvents},
		"DescribeGlobalClusters":             {run: describeGlobalClusters},
		"DescribeOrderableDBInstanceOptions": {run: describeOrderable},
		"ListTagsForResource":                {run: listRDSTags},
	}
}

// engineVersions are what can be ordered at first: before and after the floor of
// Kerberos in Aurora MySQL, 3.03.0.
func engineVersions() []EngineVersion {
	classes := []string{"db.r6g.large", "db.r6g.xlarge", "db.serverless", "db.t4g.medium"}
	return []EngineVersion{
		{auroraMySQL, "5.7.mysql_aurora.2.11.4", false, classes, false},
		{auroraMySQL, "8.0.mysql_aurora.3.02.3", false, classes, false},
		{auroraMySQL, defaultVersion, true, classes, false},
		{auroraMySQL, "8.0.mysql_aurora.3.08.0", true, classes, false},
	}
}

// newCluster fills in what a cluster has by itself and keeps it.
func (c *Cloud) newCluster(st *state, k *Cluster) {
	def(&k.Engine, auroraMySQL)
	def(&k.Version, defaultVersion)
	def(&k.SubnetGroup, "default")
	def(&k.Master, "admin")
	def(&k.ParameterGroup, "default.aurora-mysql8.0")
	if !st.hasGroup(k.ParameterGroup) { // of a test
		st.ParameterGroups[k.ParameterGroup] = &ParameterGroup{Name: k.ParameterGroup, Family: "aurora-mysql8.0", Values: map[string]string{}}
	}
	def(&k.ResourceID, "cluster-"+strings.ToUpper(strings.ReplaceAll(c.newID("x"), "-", "")))
	k.Created = c.now()
	if len(k.Groups) == 0 {
		k.Groups = st.defaultGroup(st.vpcOf(k))
	}
	if d := st.Directories[k.Domain]; d != nil {
		def(&k.Member, memberEnabled)
		k.DomainFQDN = d.Name
	}
	st.Clusters[k.ID] = k
}

// newInstance keeps an instance of a cluster; the first is its writer.
func (c *Cloud) newInstance(st *state, i *Instance) {
	k := st.Clusters[i.Cluster]
	i.ResourceID = strings.ToUpper(strings.ReplaceAll(c.newID("db"), "-", ""))
	i.Version, i.Created = k.Version, c.now()
	if g := st.SubnetGroups[k.SubnetGroup]; g != nil && i.Zone == "" {
		i.Zone = st.Subnets[g.Subnets[len(k.Members)%len(g.Subnets)]].Zone
	}
	i.Host, i.Port = c.endpoint(Endpoint{Cluster: k.ID, Instance: i.ID})
	def(&k.Writer, i.ID)
	k.Members = append(k.Members, i.ID)
	st.Instances[i.ID] = i
}

// endpoint names one as RDS does, China in its own order.
func (c *Cloud) endpoint(e Endpoint) (string, int) {
	if c.options.OnEndpoint != nil {
		return c.options.OnEndpoint(e)
	}
	name := e.Cluster + ".cluster-abc123def456"
	switch {
	case e.Instance != "":
		name = e.Instance + ".abc123def456"
	case e.Reader:
		name = e.Cluster + ".cluster-ro-abc123def456"
	}
	switch o := c.options; o.Partition {
	case "aws-cn":
		return name + ".rds." + o.Region + ".amazonaws.com.cn", 3306
	case "aws-eusc":
		return name + "." + o.Region + ".rds.amazonaws.eu", 3306
	default:
		return name + "." + o.Region + ".rds.amazonaws.com", 3306
	}
}

func (st *state) vpcOf(k *Cluster) string {
	if g := st.SubnetGroups[k.SubnetGroup]; g != nil {
		return g.VPC
	}
	return ""
}

func (st *state) defaultGroup(vpc string) []string {
	for _, g := range sorted(st.Groups) {
		if g.VPC == vpc && g.Name == "default" {
			return []string{g.ID}
		}
	}
	return nil
}

// noKey refuses a KMS key: the API model's KMSKeyNotAccessibleFault, with the text that
// users of Terraform report.
func noKey(key string) *apiError {
	return bad("KMSKeyNotAccessibleFault", "The specified KMS key [%s] does not exist, is not enabled or you do not have permissions to "+
		"access it.", key)
}

// manageSecret makes RDS keep the primary user's password in Secrets Manager, with
// the caller's own permissions.
func (r *request) manageSecret(k *Cluster, kmsKey string) error {
	s := r.cloud.newSecret("rds!cluster-" + r.cloud.newUUID())
	if err := r.allow("secretsmanager:CreateSecret", s.ARN); err != nil {
		// No action is named: what owners of clusters with a managed password report.
		return &apiError{trouble: troubleDenied, message: "The user isn't authorized to create a secret in AWS Secrets Manager. Either " +
			"grant the user permission to create a secret, or create the secret with a different user that has permission."}
	}
	if err := r.allow("secretsmanager:TagResource", s.ARN); err != nil {
		return err
	}
	// With the default key too (Aurora user guide, "Password management with
	// Secrets Manager", permissions).
	key := kmsKey
	def(&key, "0a000000-0000-4000-8000-00000000d0f4")
	if !strings.HasPrefix(key, "arn:") {
		key = r.cloud.regional("kms", "key/"+key)
	}
	if err := r.allow("kms:DescribeKey", key); err != nil {
		return noKey("null") // so even where the default key is meant
	}
	s.put(r.cloud.newUUID(), `{"username":"`+k.Master+`","password":"`+r.cloud.newUUID()+`"}`, r.now)
	s.KMSKey = kmsKey
	r.Secrets[s.Name] = s
	k.MasterSecret, k.MasterSecretStatus, k.MasterPassword = s.ARN, "creating", ""
	id := k.ID
	r.cloud.after(r.now.Add(secretCreating), func(st *state, _ time.Time) {
		if k := st.Clusters[id]; k != nil {
			k.MasterSecretStatus = "active"
		}
	})
	return nil
}

// tagged finds the tags of a resource by its ARN.
func (r *request) tagged(arn string) map[string]string {
	_, name, _ := strings.Cut(arn, ":"+r.cloud.options.Account+":")
	kind, id, _ := strings.Cut(name, ":")
	switch k, i := r.Clusters[id], r.Instances[id]; {
	case kind == "cluster" && k != nil:
		if k.Tags == nil {
			k.Tags = map[string]string{}
		}
		return k.Tags
	case kind == "db" && i != nil:
		if i.Tags == nil {
			i.Tags = map[string]string{}
		}
		return i.Tags
	}
	return nil
}

func addRDSTags(r *request) (any, error) {
	arn := r.form.text("ResourceName")
	if err := r.allow("rds:AddTagsToResource", arn); err != nil {
		return nil, err
	}
	tags := r.tagged(arn)
	if tags == nil {
		return nil, failing(404, "DBClusterNotFoundFault", "%s is not found.", arn)
	}
	maps.Copy(tags, r.form.tags("Tags.Tag"))
	return nil, r.form.done()
}

func listRDSTags(r *request) (any, error) {
	arn := r.form.text("ResourceName")
	if err := r.allow("rds:ListTagsForResource", arn); err != nil {
		return nil, err
	}
	tags := r.tagged(arn)
	if tags == nil {
		return nil, failing(404, "DBClusterNotFoundFault", "%s is not found.", arn)
	}
	return struct {
		Tags []xmlTag `xml:"TagList>Tag"`
	}{xmlTags(tags)}, r.form.done()
}

// cluster finds the one that a call is about and demands the permission for it.
func (r *request) cluster(action string) (*Cluster, error) {
	id := strings.ToLower(r.form.text("DBClusterIdentifier"))
	if err := r.allow("rds:"+action, r.cloud.regional("rds", "cluster:"+id)); err != nil {
		return nil, err
	}
	k := r.Clusters[id]
	if k == nil {
		return nil, failing(404, "DBClusterNotFoundFault", "DBCluster %s not found.", id)
	}
	return k, nil
}

// filtered returns the values of RDS's filters of one name.
func (r *request) filtered(name string) ([]string, error) {
	var values []string
	for _, g := range r.form.groups("Filters.Filter") {
		if n := r.form.text(g + ".Name"); n != name {
			return nil, bad("InvalidParameterValue", "Unrecognized filter name: %s", n)
		}
		values = slices.Concat(values, r.form.list(g+".Values.Value"))
	}
	return values, nil
}
