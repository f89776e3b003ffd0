package awstest

import (
	"slices"
	"strings"
	"time"
)

type instanceAnswer struct {
	Instance xmlInstance `xml:"DBInstance"`
}

func createDBInstance(r *request) (any, error) {
	f := r.form
	if err := f.need("DBInstanceIdentifier", "DBClusterIdentifier", "DBInstanceClass", "Engine"); err != nil {
		return nil, err
	}
	i := &Instance{ID: strings.ToLower(f.text("DBInstanceIdentifier")), Cluster: strings.ToLower(f.text("DBClusterIdentifier")),
		Class: f.text("DBInstanceClass"),
		Zone:  f.text("AvailabilityZone"), Public: f.boolean("PubliclyAccessible"), Tags: f.tags("Tags.Tag"), Status: "creating"}
	arn := r.cloud.regional("rds", "db:"+i.ID)
	if err := r.allow("rds:CreateDBInstance", arn); err != nil {
		return nil, err
	}
	if len(i.Tags) > 0 {
		if err := r.allow("rds:AddTagsToResource", arn); err != nil {
			return nil, err
		}
	}
	k := r.Clusters[i.Cluster]
	switch {
	case r.Instances[i.ID] != nil:
		return nil, bad("DBInstanceAlreadyExists", "DB Instance already exists")
	case k == nil:
		return nil, failing(404, "DBClusterNotFoundFault", "DBCluster %s not found.", i.Cluster)
	case k.Status != "available":
		return nil, bad("InvalidDBClusterStateFault", "DBCluster %s is not currently in the available state.", k.ID)
	case i.Class == "db.serverless" && k.Capacity == "":
		return nil, bad("InvalidParameterValue", "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a "+
			"Serverless v2 DB instance.")
	case f.text("Engine") != k.Engine || !slices.Contains(r.Versions[k.Version].Classes, i.Class):
		return nil, bad("InvalidParameterCombination", "RDS does not support creating a DB instance with the following combination: "+
			"DBInstanceClass=%s, Engine=%s, EngineVersion=%s",
			i.Class, f.text("Engine"), k.Version)
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	r.cloud.newInstance(r.state, i)
	id := i.ID
	r.cloud.after(r.now.Add(instanceCreating), func(st *state, _ time.Time) {
		i := st.Instances[id]
		// What is added to a cluster in a domain begins with the plugin.
		i.Status, i.Plugin = "available", st.Clusters[i.Cluster].Member == memberEnabled
	})
	return instanceAnswer{r.describeInstance(i)}, nil
}

func rebootDBInstance(r *request) (any, error) {
	id := strings.ToLower(r.form.text("DBInstanceIdentifier"))
	if err := r.allow("rds:RebootDBInstance", r.cloud.regional("rds", "db:"+id)); err != nil {
		return nil, err
	}
	i := r.Instances[id]
	switch {
	case i == nil:
		return nil, failing(404, "DBInstanceNotFound", "DBInstance %s not found.", id)
	case i.Status != "available":
		return nil, bad("InvalidDBInstanceState", "Database instance is not in available state.")
	}
	if err := r.form.done(); err != nil {
		return nil, err
	}
	i.Status = "rebooting"
	i.Reboots++
	if r.cloud.options.OnReboot != nil {
		r.cloud.options.OnReboot(id)
	}
	r.Events = append(r.Events, Event{Instance: id, Message: r.cloud.options.RebootEvents[0], At: r.now})
	restarted := r.cloud.options.RebootEvents[1]
	r.cloud.after(r.now.Add(instanceRebooting), func(st *state, at time.Time) {
		st.Events = append(st.Events, Event{Instance: id, Message: restarted, At: at})
		i := st.Instances[id]
		i.Status, i.Plugin = "available", st.Clusters[i.Cluster].Member == memberEnabled
		i.PendingReboot, i.ClusterPendingReboot = false, false
	})
	return instanceAnswer{r.describeInstance(i)}, nil
}

type xmlEndpoint struct {
	Address, HostedZoneId string
	Port                  int
}

type xmlInstance struct {
	DBInstanceIdentifier string
	DBInstanceClass      string
	Engine               string
	EngineVersion        string
	DBInstanceStatus     string
	DBClusterIdentifier  string
	Endpoint             *xmlEndpoint
	DBInstanceArn        string
	DbiResourceId        string
	AvailabilityZone     string `xml:",omitempty"`
	InstanceCreateTime   string
	PubliclyAccessible   bool
	PromotionTier        int
	ParameterGroups      []xmlParameterGroup `xml:"DBParameterGroups>DBParameterGroup"`
	Tags                 []xmlTag            `xml:"TagList>Tag"`
}

// xmlParameterGroup is DBParameterGroupStatus of the API model. Whether a member of a
// cluster has DomainMemberships of its own is unverified: here it has none.
type xmlParameterGroup struct{ DBParameterGroupName, ParameterApplyStatus string }

// describeInstance writes one; it has no endpoint before it is there.
func (r *request) describeInstance(i *Instance) xmlInstance {
	x := xmlInstance{DBInstanceIdentifier: i.ID, DBInstanceClass: i.Class, Engine: r.Clusters[i.Cluster].Engine, EngineVersion: i.Version,
		DBInstanceStatus: i.Status, DBClusterIdentifier: i.Cluster, DBInstanceArn: r.cloud.regional("rds", "db:"+i.ID),
		DbiResourceId:    i.ResourceID,
		AvailabilityZone: i.Zone, InstanceCreateTime: instant(i.Created), PubliclyAccessible: i.Public, PromotionTier: 1, Tags: xmlTags(i.Tags)}
	x.ParameterGroups = []xmlParameterGroup{{"default.aurora-mysql8.0", applied(i.PendingReboot)}}
	if i.Status != "creating" {
		x.Endpoint = &xmlEndpoint{i.Host, "Z2R2ITUGPM61AM", i.Port}
	}
	return x
}

func describeDBInstances(r *request) (any, error) {
	id := r.form.text("DBInstanceIdentifier")
	id = strings.ToLower(id[strings.LastIndex(id, ":")+1:])
	resource := id
	def(&resource, "*")
	if err := r.allow("rds:DescribeDBInstances", r.cloud.regional("rds", "db:"+resource)); err != nil {
		return nil, err
	}
	clusters, err := r.filtered("db-cluster-id")
	if err != nil {
		return nil, err
	}
	var list []xmlInstance
	for _, i := range sorted(r.Instances) {
		of := func(cluster string) bool { return cluster[strings.LastIndex(cluster, ":")+1:] == i.Cluster }
		if (id == "" || id == i.ID) && (len(clusters) == 0 || slices.ContainsFunc(clusters, of)) {
			list = append(list, r.describeInstance(i))
		}
	}
	if id != "" && len(list) == 0 {
		return nil, failing(404, "DBInstanceNotFound", "DBInstance %s not found.", id)
	}
	r.form.text("MaxRecords")
	part, marker := page(r, list, r.form.text("Marker"))
	return struct {
		Instances []xmlInstance `xml:"DBInstances>DBInstance"`
		Marker    string        `xml:",omitempty"`
	}{part, marker}, r.form.done()
}

// describeEvents returns the events of an instance or a cluster, of the last hour where no time is given.
func describeEvents(r *request) (any, error) {
	if err := r.allow("rds:DescribeEvents", "*"); err != nil {
		return nil, err
	}
	f := r.form
	from := r.now.Add(-time.Hour)
	if n := f.number("Duration"); n > 0 {
		from = r.now.Add(-time.Duration(n) * time.Minute)
	}
	if t := f.text("StartTime"); t != "" {
		var err error
		if from, err = time.Parse(time.RFC3339, t); err != nil {
			return nil, bad("InvalidParameterValue", "StartTime: %v", err)
		}
	}
	id := f.text("SourceIdentifier")
	kind := f.text("SourceType")
	if kind != "db-instance" && kind != "db-cluster" && (kind != "" || id != "") {
		return nil, bad("InvalidParameterValue", "awstest knows events of instances and clusters only")
	}
	type item struct {
		SourceIdentifier, SourceType, Message, Date, SourceArn string
		Categories                                             []string `xml:"EventCategories>EventCategory"`
	}
	var list []item
	for _, e := range r.Events {
		of, about, arn := e.Instance, "db-instance", "db:"
		if e.Cluster != "" {
			of, about, arn = e.Cluster, "db-cluster", "cluster:"
		}
		if (id == "" || id == of) && (kind == "" || kind == about) && !e.At.Before(from) {
			list = append(list, item{of, about, e.Message, instant(e.At), r.cloud.regional("rds", arn+of), []string{"availability"}})
		}
	}
	f.text("MaxRecords")
	part, marker := page(r, list, f.text("Marker"))
	return struct {
		Events []item `xml:"Events>Event"`
		Marker string `xml:",omitempty"`
	}{part, marker}, f.done()
}

// applied is the state of a parameter group at an instance (RDS user guide, "Working with DB parameter groups").
func applied(pendingReboot bool) string {
	if pendingReboot {
		return "pending-reboot"
	}
	return "in-sync"
}
