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
	keys := []string{"mode", "identifier", "primary_user", "primary_password", "ca_file"}
	fresh := []string{"engine_version", "instance_class", "instances", "subnet_group", "security_groups"}
	switch mode {
	case ClusterCreate:
		return append(keys, fresh...)
	case ClusterRestoreSnapshot:
		return append(append(keys, fresh...), "snapshot", "wait")
	case ClusterRestoreTime:
		return append(append(keys, fresh...), "source", "restore_to", "wait")
	}
	return keys
}

func bootstrapClusterKeys() []string {
	keys := clusterKeys(ClusterRestoreSnapshot)
	for _, k := range clusterKeys(ClusterRestoreTime) {
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
		if s == "db.serverless" {
			return "", fmt.Errorf("%q needs a capacity range, which kerbagent does not set: make the cluster yourself and write mode: modify, or take a class like db.r6g.large", s)
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
	c.Snapshot, _ = read(f["snapshot"], parseAWSName)
	c.Source, _ = read(f["source"], parseClusterID)
	c.RestoreTo, _ = read(f["restore_to"], parseAWSMoment)
	c.CAFile, _ = read(f["ca_file"], func(s string) (string, error) { return parsePath(s, dir) })
	c.Wait = readOr(f["wait"], c.Wait, func(s string) (time.Duration, error) { return parseDuration(s, time.Minute, 48*time.Hour) })
	for _, key := range map[ClusterMode][]string{
		ClusterCreate:          {"engine_version", "instance_class", "subnet_group", "security_groups"},
		ClusterRestoreSnapshot: {"instance_class", "subnet_group", "security_groups", "snapshot"},
		ClusterRestoreTime:     {"instance_class", "subnet_group", "security_groups", "source", "restore_to"},
	}[c.Mode] {
		if !f[key].set() {
			v.problem("has no %s, which mode %s needs", key, c.Mode)
		}
	}
	if c.Source != "" && c.Source == c.Identifier {
		f["source"].problem("%q is the name of the new cluster; a copy has another name", c.Source)
	}
	return c
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
