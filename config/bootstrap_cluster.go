package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clusterKeys are the keys that each mode knows.
func clusterKeys(mode ClusterMode) []string {
	keys := []string{"mode", "identifier", "primary_user", "primary_password", "ca_file", "directory_ports", "case_insensitive_users"}
	fresh := []string{"instance_class", "instances", "capacity", "subnet_group", "security_groups", "parameter_group", "deletion_protection",
		"extended_support", "kms_key"}
	switch mode {
	case ClusterCreate:
		return append(append(keys, fresh...), "engine_version", "backup_retention")
	case ClusterRestoreSnapshot:
		return append(append(keys, fresh...), "engine_version", "snapshot", "wait")
	case ClusterRestoreTime:
		return append(append(keys, fresh...), "source", "source_resource", "restore_to", "wait")
	}
	return keys
}

func bootstrapClusterKeys() []string {
	keys := clusterKeys(ClusterRestoreSnapshot)
	for _, k := range append(clusterKeys(ClusterRestoreTime), clusterKeys(ClusterCreate)...) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (d *document) bootstrapCluster(v, parent value, dir string) BootstrapCluster {
	f := v.fields(bootstrapClusterKeys()...)
	c := BootstrapCluster{Instances: 1, PrimaryUser: "admin", Wait: DefaultRestoreFor}
	if !v.set() {
		parent.problem("has no cluster; write cluster: {mode: modify, identifier: orders}")
		return c
	}
	if !mapping(v) {
		return c
	}
	c.Mode = need(f["mode"], v, "mode: modify, create, restore-snapshot or restore-time", func(s string) (ClusterMode, error) {
		return parseWord(s, ClusterModify, ClusterCreate, ClusterRestoreSnapshot, ClusterRestoreTime)
	})
	c.Identifier = need(f["identifier"], v, "identifier: orders", parseClusterID)
	if c.Mode == "" {
		return c
	}
	known := clusterKeys(c.Mode)
	for key, val := range f {
		if val.set() && !slices.Contains(known, key) {
			val.problem("has no use in mode %s, which knows %s", c.Mode, strings.Join(known, ", "))
		}
	}
	c.EngineVersion, _ = read(f["engine_version"], parseEngineVersion)
	c.InstanceClass, _ = read(f["instance_class"], func(s string) (string, error) {
		if !strings.HasPrefix(s, "db.") || strings.Trim(s, awsNameRunes) != "" {
			return "", fmt.Errorf("%q is not an instance class; write one like db.r6g.large", s)
		}
		return s, nil
	})
	c.Instances = readOr(f["instances"], 1, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 16 {
			return 0, fmt.Errorf("%q is not 1 to 16, which a cluster has of instances", s)
		}
		return n, nil
	})
	c.SubnetGroup, _ = read(f["subnet_group"], parseAWSName)
	c.SecurityGroups = readAll(f["security_groups"], "sg-…", parseAWSID("sg-", 8, 17))
	c.PrimaryUser = readOr(f["primary_user"], c.PrimaryUser, parseAccountName)
	c.PrimaryPassword, _ = read(f["primary_password"], func(s string) (BootstrapSecret, error) { return parseBootstrapSecret(s, dir) })
	d.bootstrapClusterMaking(f, &c)
	c.Snapshot, _ = read(f["snapshot"], parseAWSName)
	c.Source, _ = read(f["source"], parseClusterID)
	c.RestoreTo, _ = read(f["restore_to"], parseAWSMoment)
	c.CAFile, _ = read(f["ca_file"], func(s string) (string, error) { return parsePath(s, dir) })
	c.Wait = readOr(f["wait"], c.Wait, func(s string) (time.Duration, error) { return parseDuration(s, time.Minute, 48*time.Hour) })
	d.bootstrapClusterNeeds(f, v, c)
	return c
}

// bootstrapClusterNeeds reports which keys a mode lacks.
func (d *document) bootstrapClusterNeeds(f map[string]value, v value, c BootstrapCluster) {
	for _, key := range map[ClusterMode][]string{
		ClusterCreate:          {"engine_version", "instance_class", "subnet_group", "security_groups"},
		ClusterRestoreSnapshot: {"instance_class", "subnet_group", "security_groups", "snapshot"},
		ClusterRestoreTime:     {"instance_class", "subnet_group", "security_groups", "restore_to"},
	}[c.Mode] {
		if !f[key].set() {
			v.problem("has no %s, which mode %s needs", key, c.Mode)
		}
	}
	if c.Mode == ClusterRestoreTime && f["source"].set() == f["source_resource"].set() {
		v.problem("needs either source, the cluster to copy, or source_resource, the resource id of one that was deleted")
	}
	if c.SourceResource != "" && !f["parameter_group"].set() {
		f["source_resource"].problem("of a cluster that was deleted AWS does not tell the parameter group, and a wrong one may break it; write parameter_group: the one that it had, e.g. default.aurora-mysql8.0")
	}
	if c.Source != "" && c.Source == c.Identifier {
		f["source"].problem("%q is the name of the new cluster; a copy has another name", c.Source)
	}
}

// bootstrapClusterMaking reads how a new cluster is made.
func (d *document) bootstrapClusterMaking(f map[string]value, c *BootstrapCluster) {
	c.SourceResource, _ = read(f["source_resource"], func(s string) (string, error) {
		if !strings.HasPrefix(s, "cluster-") || strings.Trim(s[len("cluster-"):], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return "", fmt.Errorf("%q is not the resource id of a cluster; write one like cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ", s)
		}
		return s, nil
	})
	c.ParameterGroup, _ = read(f["parameter_group"], parseAWSName)
	c.AnyCase = readOr(f["case_insensitive_users"], false, parseBool)
	if c.AnyCase && strings.HasPrefix(c.ParameterGroup, "default.") {
		f["parameter_group"].problem("%q is AWS's, and nobody can change it; leave it out to have one made with case_insensitive_users",
			c.ParameterGroup)
	}
	c.KMSKey, _ = read(f["kms_key"], parseAWSName)
	c.DeletionProtection = readOr(f["deletion_protection"], false, parseBool)
	c.NoExtendedSupport = !readOr(f["extended_support"], true, parseBool)
	c.BackupRetention = readOr(f["backup_retention"], 0, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 35 {
			return 0, fmt.Errorf("%q is not 1 to 35, which are the days that automated backups may be kept", s)
		}
		return n, nil
	})
	if text, ok := read(f["capacity"], parseCapacity); ok {
		c.CapacityLeast, c.CapacityMost, _ = strings.Cut(text, "-")
	}
	switch serverless := c.InstanceClass == "db.serverless"; {
	case serverless && !f["capacity"].set():
		f["instance_class"].problem("db.serverless needs a range of capacity units; write capacity: \"0.5-16\"")
	case !serverless && f["capacity"].set():
		f["capacity"].problem("is for instance_class: db.serverless alone")
	}
	c.DirectoryPorts = readAll(f["directory_ports"], "tcp/88", func(s string) (string, error) {
		protocol, port, _ := strings.Cut(s, "/")
		n, err := strconv.ParseUint(port, 10, 16)
		if protocol != "tcp" && protocol != "udp" || err != nil || n == 0 {
			return "", fmt.Errorf("%q is not a port; write one like tcp/88", s)
		}
		return s, nil
	})
}

// parseCapacity reads LEAST-MOST in Aurora capacity units, in halves: 0.5-16.
func parseCapacity(s string) (string, error) {
	bad := fmt.Errorf("%q is not a range of capacity units; write one like 0.5-16: 0 to 256 in steps of 0.5, the upper one at least 1", s)
	least, most, ok := strings.Cut(s, "-")
	a, errA := strconv.ParseFloat(least, 64)
	b, errB := strconv.ParseFloat(most, 64)
	if !ok || errA != nil || errB != nil || a < 0 || b < 1 || a > b || b > 256 || a*2 != float64(int(a*2)) || b*2 != float64(int(b*2)) {
		return "", bad
	}
	return s, nil
}

// parseClusterID follows the RDS API's DBClusterIdentifier.
func parseClusterID(s string) (string, error) {
	if s == "" || len(s) > 63 || !isAlnum(s[0]) || s[0] <= '9' || strings.HasSuffix(s, "-") || strings.Contains(s, "--") ||
		strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e || !isAlnum(byte(r)) && r != '-' }) {
		return "", fmt.Errorf("%q is not the identifier of a cluster; write the name alone, e.g. orders", s)
	}
	return strings.ToLower(s), nil
}

// parseEngineVersion holds a version to those of Aurora MySQL that have
// Kerberos: 3.03.0 and later, and 8.4.7 and later of the next major version.
// Whether the instance class has it too, AWS is asked.
func parseEngineVersion(s string) (string, error) {
	own := s
	if _, after, ok := strings.Cut(s, ".mysql_aurora."); ok {
		own = after
	}
	var n [3]int
	parts := strings.Split(own, ".")
	for i := range min(len(parts), 3) {
		v, err := strconv.Atoi(parts[i])
		if err != nil || v < 0 {
			return "", fmt.Errorf("%q is not a version of Aurora MySQL; write one like 8.0.mysql_aurora.3.10.0", s)
		}
		n[i] = v
	}
	if len(parts) < 3 || own == s && n[0] < 8 {
		return "", fmt.Errorf("%q is not a version of Aurora MySQL; write one like 8.0.mysql_aurora.3.10.0", s)
	}
	old := n[0] < 3 || n[0] == 3 && n[1] < 3
	if n[0] == 8 {
		old = n[1] < 4 || n[1] == 4 && n[2] < 7
	}
	if old {
		return "", fmt.Errorf("%q has no Kerberos; it begins with 8.0.mysql_aurora.3.03.0, and with 8.4.7", s)
	}
	return s, nil
}
