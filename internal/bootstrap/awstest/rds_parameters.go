package awstest

import (
	"maps"
	"slices"
	"strings"
)

// ParameterGroup is a DB cluster parameter group of RDS. Those whose names begin with
// default. are AWS's: each family has one, and nobody changes it.
type ParameterGroup struct {
	Name, Family, Description string
	Values                    map[string]string // what was set
	Tags                      map[string]string
}

// AddParameterGroup adds to the account a DB cluster parameter group.
func (c *Cloud) AddParameterGroup(name, family string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.ParameterGroups[name] = &ParameterGroup{Name: name, Family: family, Values: map[string]string{}}
	c.remember()
}

// ParameterGroups returns all DB cluster parameter groups by name, without AWS's own.
func (c *Cloud) ParameterGroups() []ParameterGroup {
	return all(c, func(st *state) map[string]*ParameterGroup { return st.ParameterGroups })
}

// clusterParameters are those that are known here, with whether they can be set at all.
func clusterParameters() []string {
	return []string{"authentication_kerberos_caseins_cmp", "lower_case_table_names"}
}

// hasGroup reports whether a group is there.
func (st *state) hasGroup(name string) bool {
	return strings.HasPrefix(name, "default.aurora-mysql") || st.ParameterGroups[name] != nil
}

func createParameterGroup(r *request) (any, error) {
	f := r.form
	if err := f.need("DBClusterParameterGroupName", "DBParameterGroupFamily", "Description"); err != nil {
		return nil, err
	}
	g := &ParameterGroup{Name: strings.ToLower(f.text("DBClusterParameterGroupName")), Family: f.text("DBParameterGroupFamily"),
		Description: f.text("Description"), Values: map[string]string{}, Tags: f.tags("Tags.Tag")}
	arn := r.cloud.regional("rds", "cluster-pg:"+g.Name)
	if err := r.allow("rds:CreateDBClusterParameterGroup", arn); err != nil {
		return nil, err
	}
	if len(g.Tags) > 0 {
		if err := r.allow("rds:AddTagsToResource", arn); err != nil {
			return nil, err
		}
	}
	families := []string{"aurora-mysql5.7", "aurora-mysql8.0", "aurora-mysql8.4"}
	switch {
	case !slices.Contains(families, g.Family):
		return nil, bad("InvalidParameterValue", "ParameterGroupFamily %s is not a valid parameter group family", g.Family)
	case r.hasGroup(g.Name): // the code and its status: the API model
		return nil, bad("DBParameterGroupAlreadyExists", "Parameter group %s already exists", g.Name)
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	r.ParameterGroups[g.Name] = g
	type written struct{ DBClusterParameterGroupName, DBParameterGroupFamily, Description, DBClusterParameterGroupArn string }
	return struct {
		Group written `xml:"DBClusterParameterGroup"`
	}{written{g.Name, g.Family, g.Description, arn}}, nil
}

// modifyParameterGroup sets parameters. Each instance of each cluster with the group
// has them after its next reboot.
func modifyParameterGroup(r *request) (any, error) {
	f := r.form
	name := strings.ToLower(f.text("DBClusterParameterGroupName"))
	if err := r.allow("rds:ModifyDBClusterParameterGroup", r.cloud.regional("rds", "cluster-pg:"+name)); err != nil {
		return nil, err
	}
	g := r.ParameterGroups[name]
	switch {
	case !r.hasGroup(name):
		return nil, failing(404, "DBParameterGroupNotFound", "DBClusterParameterGroup not found: %s", name)
	case g == nil:
		return nil, bad("InvalidDBParameterGroupState", "The parameter group %s cannot be modified", name)
	}
	values := maps.Clone(g.Values)
	for _, p := range f.groups("Parameters.Parameter") {
		parameter, value, method := f.text(p+".ParameterName"), f.text(p+".ParameterValue"), f.text(p+".ApplyMethod")
		if !slices.Contains(clusterParameters(), parameter) || method != "pending-reboot" && method != "immediate" {
			return nil, bad("InvalidParameterValue", "Could not find parameter with name: %s, or with the method %q", parameter, method)
		}
		values[parameter] = value
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	g.Values = values
	for _, k := range r.Clusters {
		if k.ParameterGroup == name {
			r.unboot(k)
		}
	}
	return struct{ DBClusterParameterGroupName string }{name}, nil
}

// unboot leaves what a cluster's parameter group says for the next reboot of each instance.
func (st *state) unboot(k *Cluster) {
	for _, id := range k.Members {
		st.Instances[id].ClusterPendingReboot = true
	}
}

func describeParameters(r *request) (any, error) {
	f := r.form
	name := strings.ToLower(f.text("DBClusterParameterGroupName"))
	if err := r.allow("rds:DescribeDBClusterParameters", r.cloud.regional("rds", "cluster-pg:"+name)); err != nil {
		return nil, err
	}
	if !r.hasGroup(name) {
		return nil, failing(404, "DBParameterGroupNotFound", "DBClusterParameterGroup not found: %s", name)
	}
	names, err := r.filtered("parameter-name") // the only filter (API model)
	if err != nil {
		return nil, err
	}
	type item struct {
		ParameterName  string
		ParameterValue string `xml:",omitempty"`
		Source         string
		ApplyType      string
		DataType       string
		IsModifiable   bool
		ApplyMethod    string
	}
	var list []item
	for _, p := range clusterParameters() {
		if len(names) > 0 && !slices.Contains(names, p) {
			continue
		}
		i := item{ParameterName: p, Source: "engine-default", ApplyType: "static", DataType: "string", IsModifiable: true,
			ApplyMethod: "pending-reboot"}
		if g := r.ParameterGroups[name]; g != nil && g.Values[p] != "" {
			i.ParameterValue, i.Source = g.Values[p], "user"
		}
		list = append(list, i)
	}
	part, marker := page(r, list, f.text("Marker"))
	return struct {
		Parameters []item `xml:"Parameters>Parameter"`
		Marker     string `xml:",omitempty"`
	}{part, marker}, f.done()
}
