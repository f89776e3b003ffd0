package bootstrap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// needs are the permissions to read a password, and to make it.
func (v vault) needs(ref config.BootstrapSecret, made bool) []permission {
	switch {
	case ref.Manager == "":
		return nil
	case made && !strings.HasPrefix(ref.Manager, "arn:"):
		return append(v.onSecret(ref.Manager, "GetSecretValue", "CreateSecret", "TagResource"), v.onSecretsKey("Decrypt", "GenerateDataKey")...)
	}
	return append(v.onSecret(ref.Manager, "GetSecretValue"), v.onSecretsKey("Decrypt")...)
}

// vault reads passwords from where the configuration says that they are.
type vault struct {
	sm secretsCalls
	*world
}

// read returns a password. One that Secrets Manager does not have is errNoSecret.
func (v vault) read(ctx context.Context, ref config.BootstrapSecret) (Secret, error) {
	if ref.Manager == "" {
		b, err := ref.Local.Password()
		return Secret{b}, err
	}
	return v.readVersion(ctx, ref, "")
}

// readVersion returns the password of one version of a secret of Secrets Manager;
// the current one where none is named.
func (v vault) readVersion(ctx context.Context, ref config.BootstrapSecret, version string) (Secret, error) {
	b, err := v.stored(ctx, ref, version)
	if err != nil {
		return Secret{}, err
	}
	if ref.Key != "" {
		object, err := objectOf(ref, b)
		if err != nil {
			return Secret{}, err
		}
		var text string
		if err := json.Unmarshal(object[ref.Key], &text); err != nil {
			return Secret{}, advise("correct the name after #", "the secret %s has no text under that key", ref)
		}
		b = []byte(text)
	}
	if len(b) == 0 || bytes.ContainsAny(b, "\r\n\x00") {
		return Secret{}, advise("store the password alone, without a line end", "the secret %s is empty or has a line end in it", ref)
	}
	return Secret{b}, nil
}

// replaced returns the text of a secret with another password in it; what else
// its JSON object has stays.
func (v vault) replaced(ctx context.Context, ref config.BootstrapSecret, password []byte) (string, error) {
	if ref.Key == "" {
		return string(password), nil
	}
	b, err := v.stored(ctx, ref, "")
	if err != nil {
		return "", err
	}
	object, err := objectOf(ref, b)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(string(password))
	if err != nil {
		return "", fmt.Errorf("storing %s: %w", ref, err)
	}
	object[ref.Key] = text
	b, err = json.Marshal(object)
	return string(b), err
}

func objectOf(ref config.BootstrapSecret, text []byte) (map[string]json.RawMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, advise("leave #"+ref.Key+" out, or store a JSON object", "the secret %s is not a JSON object", ref)
	}
	return object, nil
}

// stored reads what Secrets Manager keeps under a name.
func (v vault) stored(ctx context.Context, ref config.BootstrapSecret, version string) ([]byte, error) {
	out, err := v.sm.getSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(ref.Manager), VersionId: optional(version)})
	switch {
	case is[*types.ResourceNotFoundException](err), deniedByName(err, ref.Manager):
		return nil, fmt.Errorf("%s: %w", ref, errNoSecret)
	case is[*types.InvalidRequestException](err):
		return nil, advise("restore it: aws secretsmanager restore-secret --region "+v.region+" --secret-id "+quote(ref.Manager),
			"the secret %s is marked for deletion", ref)
	case slices.Contains(awsapi.DeniedCodes(), awsapi.Code(err)):
		return nil, &unreadableError{ref, ofNewKey(err, v.Config.SecretsKey)}
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", ref, ofNewKey(err, v.Config.SecretsKey))
	}
	if text := aws.ToString(out.SecretString); text != "" {
		return []byte(text), nil
	}
	return out.SecretBinary, nil
}

// storage is the change that makes a password where there is none yet.
func (v vault) storage(ref config.BootstrapSecret, whose string, fits func([]byte) error) (change, error) {
	if strings.HasPrefix(ref.Manager, "arn:") {
		return change{}, advise("write its name in place of the ARN to have it made", "there is no secret %s", ref)
	}
	return change{
		key:  "secret-" + ref.Manager,
		what: fmt.Sprintf("generate a password for %s and store it in Secrets Manager as %s", whose, ref.Manager),
		act: func(ctx context.Context) error {
			password, err := generate(fits)
			if err != nil {
				return err
			}
			if ref.Key != "" {
				if password, err = json.Marshal(map[string]string{ref.Key: string(password)}); err != nil {
					return fmt.Errorf("storing %s: %w", ref, err)
				}
			}
			in := &secretsmanager.CreateSecretInput{Name: aws.String(ref.Manager), SecretString: aws.String(string(password)),
				Description: aws.String("Password of " + whose + ", made by kerbagent bootstrap")}
			// The same request is the same token: it cannot make two.
			sum := sha256.Sum256([]byte(v.state.Lock + "\x00" + ref.Manager))
			in.ClientRequestToken = aws.String(hex.EncodeToString(sum[:16]))
			in.Tags, in.KmsKeyId = tagList(v.tags(), secretTag), optional(v.Config.SecretsKey)
			_, err = v.sm.createSecret(ctx, in)
			if err != nil && !is[*types.ResourceExistsException](err) {
				return fmt.Errorf("storing %s: %w", ref, ofNewKey(err, v.Config.SecretsKey))
			}
			return nil // what stands there counts: it is read before it is used
		},
	}, nil
}

// readOrStore returns a password, or the change that makes it.
func (v vault) readOrStore(ctx context.Context, ref config.BootstrapSecret, whose string, fits func([]byte) error) (Secret,
	*change, error) {
	s, err := v.read(ctx, ref)
	if errors.Is(err, errNoSecret) {
		c, err := v.storage(ref, whose, fits)
		return Secret{}, &c, err
	}
	if err != nil {
		return Secret{}, nil, err
	}
	if err := fits(s.text); err != nil {
		return Secret{}, nil, advise("change it in "+ref.String(), "the password of %s in %s cannot be used: %s", whose, ref, err)
	}
	return s, nil, nil
}

func secretTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

// localPasswords holds the passwords that are on this host to their rules before
// anything is made: a directory takes half an hour, and a password that will not
// do would be found out after it. One that is not there is found by its step.
func (w *world) localPasswords() error {
	type password struct {
		whose string
		ref   config.BootstrapSecret
		fits  func([]byte) error
	}
	all := []password{{"the directory's Admin", w.Config.Directory.AdminPassword, checkAdminPassword}}
	if w.Config.Trust != nil {
		all = append(all, password{"the trust", w.Config.Trust.Password, checkTrustPassword})
	}
	for _, u := range w.Config.Users {
		all = append(all, password{u.Name, u.Password, checkUserPassword})
	}
	if w.Config.Cluster.Mode == config.ClusterCreate {
		all = append(all, password{"the primary user", w.Config.Cluster.PrimaryPassword, checkPrimaryPassword})
	}
	for _, p := range all {
		b, err := p.ref.Local.Password()
		if p.ref.Local.IsZero() || err != nil {
			continue
		}
		if err := p.fits(b); err != nil {
			return &Error{Exit: ExitUsage, Step: "start", Text: fmt.Sprintf("the password of %s in %s cannot be used: %s", p.whose, p.ref, err),
				Next: "change it in " + p.ref.String(), Err: err}
		}
	}
	return nil
}

// inRegion refuses ARNs of other Regions: Secrets Manager, KMS and RDS only know things of their
// own, and would report that there is none.
func (w *world) inRegion() error {
	c := w.Config.Cluster
	names := []string{w.Config.SecretsKey, c.KMSKey, c.Snapshot, c.Source}
	for _, ref := range w.managedSecrets() {
		names = append(names, ref.Manager)
	}
	for _, name := range names {
		if a, err := arn.Parse(name); err == nil && a.Region != "" && a.Region != w.region {
			return &Error{Exit: ExitUsage, Step: "start", Text: fmt.Sprintf("%s is in the Region %s, and bootstrap works in %s", name, a.Region,
				w.region), Next: "take one of " + w.region + ", or correct bootstrap.region or --region"}
		}
	}
	return nil
}

// managedSecrets are the configuration's secrets in Secrets Manager.
func (w *world) managedSecrets() []config.BootstrapSecret {
	all := []config.BootstrapSecret{w.Config.Directory.AdminPassword, w.Config.Cluster.PrimaryPassword}
	if w.Config.Trust != nil {
		all = append(all, w.Config.Trust.Password)
	}
	for _, u := range w.Config.Users {
		all = append(all, u.Password)
	}
	return slices.DeleteFunc(all, func(ref config.BootstrapSecret) bool { return ref.Manager == "" })
}
