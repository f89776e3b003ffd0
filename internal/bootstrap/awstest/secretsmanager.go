package awstest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// deletionTime is how long the name of a secret that was deleted without recovery
// is still taken: the deletion is asynchronous (API reference of DeleteSecret).
const deletionTime = 5 * time.Second

func secretActions() map[string]action {
	return map[string]action{
		"CreateSecret":             {mutating: true, run: createSecret},
		"PutSecretValue":           {mutating: true, run: putSecretValue},
		"UpdateSecretVersionStage": {mutating: true, run: updateStage},
		"DeleteSecret":             {mutating: true, run: deleteSecret},
		"TagResource":              {mutating: true, run: tagSecret},
		"DescribeSecret":           {run: describeSecret},
		"GetSecretValue":           {run: getSecretValue},
	}
}

type jsonTag struct{ Key, Value string }

func tagMap(l []jsonTag) map[string]string {
	m := map[string]string{}
	for _, t := range l {
		m[t.Key] = t.Value
	}
	return m
}

func tagList(m map[string]string) []jsonTag {
	l := []jsonTag{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		l = append(l, jsonTag{k, m[k]})
	}
	return l
}

// newSecret makes one; its ARN ends in six characters that nobody can foresee.
func (c *Cloud) newSecret(name string) *Secret {
	c.serial++
	return &Secret{Name: name, ARN: c.regional("secretsmanager", fmt.Sprintf("secret:%s-Fk%04x", name, c.serial)),
		Values: map[string]string{}, Tags: map[string]string{}, Created: c.now(), Changed: c.now()}
}

func (s *Secret) put(version, value string, at time.Time) {
	s.Values[version] = value
	s.Previous, s.Current, s.Changed = s.Current, version, at
}

// secret finds one by name, ARN, or the ARN without its last six characters.
func (st *state) secret(id string) *Secret {
	for _, s := range sorted(st.Secrets) {
		if s.Name == id || s.ARN == id || strings.HasPrefix(id, "arn:") && strings.HasPrefix(s.ARN, id+"-") {
			return s
		}
	}
	return nil
}

// withKey demands of the caller what Secrets Manager does with a secret's own key in the
// caller's name (AWS Secrets Manager User Guide, "Secret encryption and decryption").
// With Secrets Manager's default key nothing is demanded: its policy lets the account in.
func (r *request) withKey(key string, actions ...string) error {
	if key == "" {
		return nil
	}
	if r.cloud.keyUnknown() {
		code, done := "EncryptionFailure", "encrypt the protected secret text"
		if actions[0] == "Decrypt" {
			code, done = "DecryptionFailure", "decrypt the protected secret text"
		}
		// Codes and text of the API model; KMS itself says NotFoundException there (botocore#2107).
		return bad(code, "Secrets Manager can't %s using the provided KMS key. Check that the KMS key is available, enabled, and not in "+
			"an invalid state.", done)
	}
	if err := r.viaService("secretsmanager", key, actions...); err != nil {
		// No action is named (aws-cdk#7677 for CreateSecret, external-secrets#390 for GetSecretValue,
		// where kms:Decrypt was lacking).
		return bad("AccessDeniedException", "Access to KMS is not allowed")
	}
	return nil
}

// keyUnknown reports whether a customer's key is so new that no service finds it.
func (c *Cloud) keyUnknown() bool {
	if c.keyAsked.IsZero() {
		c.keyAsked = c.now()
	}
	return c.now().Sub(c.keyAsked) < c.options.KeyDelay
}

// viaService demands actions of KMS that a service asks for in the caller's name.
func (r *request) viaService(service, key string, actions ...string) error {
	if key = key[strings.LastIndex(key, "/")+1:]; len(key) != 36 { // an alias of some key
		key = "0b000000-0000-4000-8000-00000000d0f4"
	}
	for _, a := range actions {
		if err := r.allow("kms:"+a, r.cloud.regional("kms", "key/"+key), "kms:ViaService",
			service+"."+r.cloud.options.Region+".amazonaws.com"); err != nil {
			return err
		}
	}
	return nil
}

// wanted finds a secret that a call is about and demands the permission for it.
// Of one that does not exist Secrets Manager knows no ARN: it asks IAM about the
// bare name, which only a policy for all resources allows (messages of that kind
// are in mongodb/awscdk-resources-mongodbatlas#207).
func (r *request) wanted(action, id string) (*Secret, error) {
	s := r.secret(id)
	arn := id
	switch {
	case s != nil:
		arn = s.ARN
	case r.cloud.options.LenientSecrets && !strings.HasPrefix(id, "arn:"):
		arn = r.cloud.regional("secretsmanager", "secret:"+id+"-000000")
	}
	if err := r.allow("secretsmanager:"+action, arn); err != nil {
		return nil, err
	}
	if s == nil {
		return nil, bad("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	if s.Deleted {
		return nil, bad("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	}
	return s, nil
}

func createSecret(r *request) (any, error) {
	var in struct {
		Name, Description, KmsKeyId, SecretString, ClientRequestToken string
		Tags                                                          []jsonTag
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	s := r.cloud.newSecret(in.Name)
	if err := r.allow("secretsmanager:CreateSecret", s.ARN, "secretsmanager:Name", in.Name); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		if err := r.allow("secretsmanager:TagResource", s.ARN); err != nil {
			return nil, err
		}
	}
	if old := r.Secrets[in.Name]; old != nil {
		// The same token with the same content is the same call again.
		if v, same := old.Values[in.ClientRequestToken]; same && v == in.SecretString && !old.Deleted {
			return map[string]any{"ARN": old.ARN, "Name": old.Name, "VersionId": in.ClientRequestToken}, nil
		}
		if old.Deleted {
			return nil, bad("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled "+
				"for deletion.")
		}
		return nil, bad("ResourceExistsException", "The operation failed because the secret %s already exists.", in.Name)
	}
	if len(in.ClientRequestToken) < 32 {
		return nil, bad("InvalidParameterException", "You must provide a ClientRequestToken value.")
	}
	if err := r.withKey(in.KmsKeyId, "GenerateDataKey", "Decrypt"); err != nil {
		return nil, err
	}
	s.Description, s.KMSKey, s.Tags = in.Description, in.KmsKeyId, tagMap(in.Tags)
	out := map[string]any{"ARN": s.ARN, "Name": s.Name}
	if in.SecretString != "" {
		s.put(in.ClientRequestToken, in.SecretString, r.now)
		out["VersionId"] = in.ClientRequestToken
	}
	r.Secrets[in.Name] = s
	return out, nil
}

func putSecretValue(r *request) (any, error) {
	var in struct {
		SecretId, SecretString, ClientRequestToken string
		VersionStages                              []string
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	s, err := r.wanted("PutSecretValue", in.SecretId)
	if err != nil {
		return nil, err
	}
	if len(in.ClientRequestToken) < 32 {
		return nil, bad("InvalidParameterException", "You must provide a ClientRequestToken value.")
	}
	if err := r.withKey(s.KMSKey, "GenerateDataKey", "Decrypt"); err != nil {
		return nil, err
	}
	if v, again := s.Values[in.ClientRequestToken]; again && v != in.SecretString {
		return nil, bad("ResourceExistsException", "The operation failed because a version with this token and other content already exists.")
	} else if !again && slices.Equal(in.VersionStages, []string{"AWSPENDING"}) {
		s.Values[in.ClientRequestToken], s.Pending, s.Changed = in.SecretString, in.ClientRequestToken, r.now
	} else if !again {
		s.put(in.ClientRequestToken, in.SecretString, r.now)
	}
	return map[string]any{"ARN": s.ARN, "Name": s.Name, "VersionId": in.ClientRequestToken,
		"VersionStages": s.stages(in.ClientRequestToken)}, nil
}

func (s *Secret) stages(version string) []string {
	l := []string{}
	for stage, at := range map[string]string{"AWSCURRENT": s.Current, "AWSPREVIOUS": s.Previous, "AWSPENDING": s.Pending} {
		if at == version {
			l = append(l, stage)
		}
	}
	slices.Sort(l)
	return l
}

// updateStage moves AWSCURRENT. Secrets Manager wants to be told which version has
// it now, and returns that one AWSPREVIOUS (API reference of UpdateSecretVersionStage).
func updateStage(r *request) (any, error) {
	var in struct{ SecretId, VersionStage, MoveToVersionId, RemoveFromVersionId string }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	s, err := r.wanted("UpdateSecretVersionStage", in.SecretId)
	if err != nil {
		return nil, err
	}
	_, known := s.Values[in.MoveToVersionId]
	switch {
	case in.VersionStage != "AWSCURRENT":
		return nil, bad("InvalidParameterException", "awstest moves AWSCURRENT only")
	case !known:
		return nil, bad("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
	case s.Current != in.MoveToVersionId && s.Current != in.RemoveFromVersionId:
		return nil, bad("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently "+
			"attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", s.Current)
	case s.Current != in.MoveToVersionId:
		s.Previous, s.Current, s.Changed = s.Current, in.MoveToVersionId, r.now
	}
	if r.cloud.options.OnCurrent != nil {
		r.cloud.options.OnCurrent(s.Name, s.Values[s.Current])
	}
	return map[string]any{"ARN": s.ARN, "Name": s.Name}, nil
}

func getSecretValue(r *request) (any, error) {
	var in struct{ SecretId, VersionId, VersionStage string }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	s, err := r.wanted("GetSecretValue", in.SecretId)
	if err != nil {
		return nil, err
	}
	if err := r.withKey(s.KMSKey, "Decrypt"); err != nil {
		return nil, err
	}
	version := s.Current
	switch {
	case in.VersionId != "":
		version = in.VersionId
	case in.VersionStage == "AWSPREVIOUS":
		version = s.Previous
	case in.VersionStage == "AWSPENDING":
		version = s.Pending
	}
	value, ok := s.Values[version]
	if !ok {
		return nil, bad("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")
	}
	return map[string]any{"ARN": s.ARN, "Name": s.Name, "VersionId": version, "SecretString": value,
		"VersionStages": s.stages(version), "CreatedDate": epoch(s.Changed)}, nil
}

func describeSecret(r *request) (any, error) {
	var in struct{ SecretId string }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	s, err := r.wanted("DescribeSecret", in.SecretId)
	if err != nil {
		return nil, err
	}
	versions := map[string][]string{}
	for v := range s.Values {
		if stages := s.stages(v); len(stages) > 0 {
			versions[v] = stages
		}
	}
	out := map[string]any{"ARN": s.ARN, "Name": s.Name, "Tags": tagList(s.Tags), "VersionIdsToStages": versions,
		"CreatedDate": epoch(s.Created), "LastChangedDate": epoch(s.Changed)}
	if s.Description != "" {
		out["Description"] = s.Description
	}
	return out, nil
}

func tagSecret(r *request) (any, error) {
	var in struct {
		SecretId string
		Tags     []jsonTag
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	s, err := r.wanted("TagResource", in.SecretId)
	if err != nil {
		return nil, err
	}
	for _, t := range in.Tags {
		s.Tags[t.Key] = t.Value
	}
	return struct{}{}, nil
}

func deleteSecret(r *request) (any, error) {
	var in struct {
		SecretId                   string
		ForceDeleteWithoutRecovery bool
		RecoveryWindowInDays       int
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	s, err := r.wanted("DeleteSecret", in.SecretId)
	if err != nil {
		return nil, err
	}
	s.Deleted = true
	gone := r.now.AddDate(0, 0, 30)
	switch {
	case in.ForceDeleteWithoutRecovery:
		gone = r.now.Add(deletionTime)
	case in.RecoveryWindowInDays > 0:
		gone = r.now.AddDate(0, 0, in.RecoveryWindowInDays)
	}
	name := s.Name
	r.cloud.after(gone, func(st *state, _ time.Time) { delete(st.Secrets, name) })
	return map[string]any{"ARN": s.ARN, "Name": s.Name, "DeletionDate": epoch(gone)}, nil
}
