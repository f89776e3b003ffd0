package bootstrap

import (
	"strings"
	"testing"

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
	// Without its permission it is named.
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	h := newHost(t, cloud, wish(modifyMode, "  secrets_kms_key: "+id+"\n"))
	h.as(awstest.Everything, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:GenerateDataKey","Resource":"*"}]}`)
	h.fails(ExitPermission, "kms:GenerateDataKey")
}
