package bootstrap

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// Secrets and cluster are encrypted with the keys of the file, by its id or by an alias,
// and the printed policy has what that takes, through the one service, and for no other key.
func TestKeysOfTheCustomers(t *testing.T) {
	t.Parallel()
	const id, other = "0c000000-0000-4000-8000-00000000d0f4", "0d000000-0000-4000-8000-00000000d0f4"
	allowed := func(c *awstest.Cloud, action, key, service string) bool {
		return c.Allows(accessKey, awstest.Permission{Action: action, Resource: "arn:aws:kms:us-east-1:123456789012:key/" + key,
			Context: map[string]string{"kms:ViaService": service + ".us-east-1.amazonaws.com"}})
	}
	for name, key := range map[string]string{"id": id, "ARN": "arn:aws:kms:us-east-1:123456789012:key/" + id, "alias": "alias/corp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, awstest.Options{})
			file := wish(strings.Replace(createMode, "instances: 2", "instances: 2, kms_key: \""+key+"\"", 1), "  secrets_kms_key: \""+key+"\"\n")
			h := newHost(t, cloud, file)
			h.as(h.policy(ForApply))
			h.done()
			for _, s := range cloud.Secrets() {
				if ours := strings.HasPrefix(s.Name, "kerbagent/corp/"); ours && s.KMSKey != key {
					t.Errorf("%s has the key %q", s.Name, s.KMSKey)
				}
			}
			if k := h.cluster(); k.KMSKey != key {
				t.Errorf("the cluster has the key %q", k.KMSKey)
			}
			if !allowed(cloud, "kms:Decrypt", id, "secretsmanager") || allowed(cloud, "kms:Decrypt", id, "s3") || allowed(cloud, "kms:CreateGrant", id, "ebs") ||
				name != "alias" && allowed(cloud, "kms:Decrypt", other, "secretsmanager") {
				t.Errorf("the policy: %s", h.policy(ForApply))
			}
			h.as(h.policy(ForRotate))
			if _, err, _ := h.rotate("bob"); err != nil {
				t.Errorf("rotate: %v", err)
			}
			further := newHost(t, cloud, file)
			further.people, further.database, further.daemon = h.people, h.database, h.daemon
			further.as(further.policy(ForClient))
			if _, err := Client(t.Context(), further.options()); err != nil && !strings.Contains(err.Error(), "alice") {
				t.Errorf("client: %v", err)
			}
		})
	}
}

// What KMS refuses, AWS passes on without naming the permission. It was taken for the
// missing permission of Secrets Manager's own action, which was there.
func TestARefusedKeyIsNotAMissingPermissionOfTheSecret(t *testing.T) {
	t.Parallel()
	const id = "0c000000-0000-4000-8000-00000000d0f4"
	deny := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"` + action + `","Resource":"*"}]}`
	}
	for name, c := range map[string]struct{ file, denied, names string }{
		"a secret that is made":   {wish(modifyMode, "  secrets_kms_key: "+id+"\n"), "kms:GenerateDataKey", "kms:GenerateDataKey"},
		"a secret that was there": {strings.Replace(wish(modifyMode, ""), "kerbagent/corp/bob", "theirs", 1), "kms:Decrypt", `"kms:Decrypt"`},
		"a managed password":      {wish(createMode, ""), "kms:DescribeKey", "kms:DescribeKey"},
		"a cluster":               {wish(strings.Replace(createMode, "instances: 2", "instances: 2, kms_key: "+id, 1), ""), "kms:CreateGrant", "kms:CreateGrant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, awstest.Options{})
			if strings.Contains(c.file, "mode: modify") {
				addOrders(cloud)
			}
			cloud.AddSecret("theirs", "Their-Secret-4711")
			cloud.EncryptSecret("theirs", id)
			h := newHost(t, cloud, c.file)
			h.as(awstest.Everything, deny(c.denied))
			e := h.fails(ExitPermission, "the use of the KMS key is refused", "the key's own policy", c.names)
			if all := e.Text + e.Next + e.Policy; strings.Contains(all, "secretsmanager:") || strings.Contains(all, "rds:CreateDBCluster") {
				t.Errorf("a permission is said to be missing that is there: %s", all)
			}
		})
	}
}

// A key that was made a moment ago, as Terraform makes one just before, is not found by every
// service yet: that is waited for, two minutes and no longer.
func TestAKeyThatIsSecondsOld(t *testing.T) {
	t.Parallel()
	const id = "0c000000-0000-4000-8000-00000000d0f4"
	for name, cluster := range map[string]string{
		"of the secrets": createMode,
		"of the cluster": strings.Replace(createMode, "instances: 2", "instances: 2, kms_key: "+id, 1),
	} {
		file := wish(cluster, "")
		if name == "of the secrets" {
			file += "  secrets_kms_key: " + id + "\n"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, newCloud(t, awstest.Options{KeyDelay: 45 * time.Second}), file)
			h.done()
			if !slices.ContainsFunc(h.told(EventAgain), func(e Event) bool { return strings.Contains(e.Text, "KMS key") }) {
				t.Error("the key was always there")
			}
			h = newHost(t, newCloud(t, awstest.Options{KeyDelay: 1000 * time.Hour}), file)
			h.fails(ExitPermission, "the use of the KMS key is refused", "there is no such key")
			if n := len(h.told(EventAgain)); n != int(keyBudget/outageEvery) {
				t.Errorf("asked again %d times", n)
			}
			h.noSecretsIn(Report{})
		})
	}
}

// RDS makes the managed password's secret in the caller's name, and its refusal names no
// permission. The call that was refused was said to be the one that is missing.
func TestARefusedManagedSecretIsNamed(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	h := newHost(t, cloud, wish(createMode, ""))
	h.as(awstest.Everything, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"secretsmanager:CreateSecret","Resource":"arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!*"}]}`)
	e := h.fails(ExitPermission, "the permission secretsmanager:CreateSecret is missing", "isn't authorized to create a secret", "secret:rds!cluster-*")
	if strings.Contains(e.Policy, "rds:") || strings.Contains(e.Next, "KMS") {
		t.Errorf("said %s %s", e.Next, e.Policy)
	}
}
