package awstest

// Directories returns all directories in the order of their ids.
func (c *Cloud) Directories() []Directory {
	return all(c, func(st *state) map[string]*Directory { return st.Directories })
}

// Trusts returns all trusts in the order of their ids.
func (c *Cloud) Trusts() []Trust {
	return all(c, func(st *state) map[string]*Trust { return st.Trusts })
}

// Roles returns all roles by name.
func (c *Cloud) Roles() []Role { return all(c, func(st *state) map[string]*Role { return st.Roles }) }

// Clusters returns all clusters by identifier.
func (c *Cloud) Clusters() []Cluster {
	return all(c, func(st *state) map[string]*Cluster { return st.Clusters })
}

// Instances returns all instances by identifier; Reboots counts their reboots.
func (c *Cloud) Instances() []Instance {
	return all(c, func(st *state) map[string]*Instance { return st.Instances })
}

// Secrets returns all secrets by name, with their values.
func (c *Cloud) Secrets() []Secret {
	return all(c, func(st *state) map[string]*Secret { return st.Secrets })
}

// SecurityGroups returns all security groups in the order of their ids.
func (c *Cloud) SecurityGroups() []SecurityGroup {
	return all(c, func(st *state) map[string]*SecurityGroup { return st.Groups })
}

// all copies what the cloud holds of a kind.
func all[T any](c *Cloud, of func(*state) map[string]*T) []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	var list []T
	for _, v := range sorted(of(c.state)) {
		list = append(list, copyOf(*v))
	}
	return list
}
