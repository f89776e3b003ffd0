package bootstrap

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// world is what the steps share: the wish, the means, and what was found so far.
type world struct {
	Options
	began                      time.Time
	state                      *state
	account, partition, region string
	directory                  foundDirectory // by the directory's step
	cluster                    foundCluster   // by the cluster's step
}

// identify asks who we are, which tells the partition too.
func (w *world) identify(ctx context.Context) error {
	w.region = w.AWS.region
	out, err := w.AWS.sts.getCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("asking AWS who we are: %w", err)
	}
	a, err := arn.Parse(aws.ToString(out.Arn))
	if err != nil {
		return fmt.Errorf("asking AWS who we are: %w", err)
	}
	w.account, w.partition = aws.ToString(out.Account), a.Partition
	if want := w.Config.Region; want != "" && want != w.region {
		return &Error{Exit: ExitUsage, Step: "start", Text: fmt.Sprintf("bootstrap.region is %s and --region %s", want, w.region),
			Next: "leave the flag out"}
	}
	return nil
}

// inAccount refuses to change an account that the file does not name, and to
// look at another one than it names.
func (w *world) inAccount(changes bool) error {
	want := w.Config.Account
	switch {
	case want == w.account || want == "" && !changes:
		return nil
	case want == "":
		return &Error{Exit: ExitUsage, Step: "start", Text: "the configuration names no AWS account, and the credentials lead to " + w.account,
			Next: "if that account is meant, write under bootstrap: " + accountLine(w.account)}
	}
	return &Error{Exit: ExitUsage, Step: "start", Text: fmt.Sprintf("bootstrap.account is %s, and the credentials lead to the AWS account "+
		"%s", want, w.account),
		Next: "use credentials of " + want + " (AWS_PROFILE, or --profile); or, if the other account is meant, write under bootstrap: " +
			accountLine(w.account)}
}

func accountLine(account string) string { return `account: "` + account + `"` }

// alias returns the account's alias, empty where it has none or nobody lets us read it.
func (w *world) alias(ctx context.Context) string {
	out, err := w.AWS.iam.listAccountAliases(ctx, &iam.ListAccountAliasesInput{})
	if err != nil || len(out.AccountAliases) == 0 {
		return ""
	}
	return out.AccountAliases[0]
}

func (w *world) tell(ev Event) {
	if w.Progress != nil {
		w.Progress(ev)
	}
}

// adminName is the directory's administrator: of an AWS Managed Microsoft AD it
// has no other name.
const adminName = "Admin"

// ourTag marks what a bootstrap made; its value is the directory's name.
const ourTag = "kerbagent:bootstrap"

// tags returns what is put on everything that is made.
func (w *world) tags() map[string]string {
	out := map[string]string{ourTag: w.Config.Directory.Name}
	maps.Copy(out, w.Config.Tags)
	return out
}

// onKey returns KMS actions on a key of the configuration, which a service does in the
// caller's name. Of an alias a policy knows no key: any that the service uses.
func (w *world) onKey(key, service string, actions ...string) []permission {
	suffix := ".amazonaws.com"
	if w.partition == "aws-cn" {
		suffix += ".cn"
	}
	at := key
	switch {
	case strings.HasPrefix(key, "alias/"), strings.Contains(key, ":alias/"):
		at = w.arn("kms", w.region, "key/*")
	case !strings.HasPrefix(key, "arn:"):
		at = w.arn("kms", w.region, "key/"+key)
	}
	var out []permission
	for _, a := range actions {
		out = append(out, act("kms:"+a, at).when(condition{"StringEquals", "kms:ViaService", service + "." + w.region + suffix}))
	}
	return out
}

// onSecretsKey returns actions on the key of the secrets; none, where it is Secrets Manager's own.
func (w *world) onSecretsKey(actions ...string) []permission {
	if w.Config.SecretsKey == "" {
		return nil
	}
	return w.onKey(w.Config.SecretsKey, "secretsmanager", actions...)
}

// ownGroup is the DB cluster parameter group that is made for the cluster.
func (w *world) ownGroup() string { return "kerbagent-" + w.Config.Cluster.Identifier }

// parameterGroup returns the group that the cluster is to have in place of one: its own,
// where a parameter is to be set and the group is a default one, which nobody can change.
func (w *world) parameterGroup(has string) string {
	if w.Config.Cluster.AnyCase && (has == "" || strings.HasPrefix(has, "default.")) {
		return w.ownGroup()
	}
	return has
}

// tagList returns tags in order, each as the service at hand has them.
func tagList[T any](tags map[string]string, tag func(key, value *string) T) []T {
	var out []T
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, tag(aws.String(key), aws.String(tags[key])))
	}
	return out
}

// partitionOf is the partition of a Region, for ARNs where nobody can be asked.
func partitionOf(region string) string {
	for _, p := range [][2]string{{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-isob-", "aws-iso-b"}, {"us-iso-", "aws-iso"},
		{"eu-isoe-", "aws-iso-e"}, {"us-isof-", "aws-iso-f"}, {"eusc-", "aws-eusc"}} {
		if strings.HasPrefix(region, p[0]) {
			return p[1]
		}
	}
	return "aws"
}

// foundCluster is what the other steps need of it. Without a host there is none yet.
type foundCluster struct {
	host      string // the writer's endpoint
	port      int32
	instances []foundInstance
	secret    string // ARN of the primary user's password, where RDS keeps it
	primary   string // the primary user
	rebooting bool   // readers are still to be rebooted, and lack the plugin until then
	// joinedElsewhere: another host, or somebody, has joined it, and may be rebooting its readers.
	joinedElsewhere bool
}

type foundInstance struct {
	id, host string
	writer   bool
}

// foundDirectory is what the other steps need of it. Without an id there is none yet.
type foundDirectory struct {
	id        string // d-…
	shortName string
	vpc       string
	group     string // security group of its domain controllers; empty where it is another account's
	addresses []netip.Addr
	shared    bool // another account's
}

// arn makes one of this account; region is empty for what is of no Region.
func (w *world) arn(service, region, what string) string {
	return "arn:" + w.partition + ":" + service + ":" + region + ":" + w.account + ":" + what
}

// onSecret returns actions on a secret, whose ARN ends in six characters that
// Secrets Manager chooses.
func (w *world) onSecret(name string, actions ...string) []permission {
	at := name
	if !strings.HasPrefix(name, "arn:") {
		at = w.arn("secretsmanager", w.region, "secret:"+name+"-??????")
	}
	var out []permission
	for _, a := range actions {
		out = append(out, act("secretsmanager:"+a, at))
	}
	return out
}
