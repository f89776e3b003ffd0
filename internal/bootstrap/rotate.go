package bootstrap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// The stages of a secret's versions that are Secrets Manager's own.
const (
	stageCurrent = "AWSCURRENT"
	stagePending = "AWSPENDING"
)

// rotateStep changes one password: the new value is stored as pending, set in the
// directory, verified by one login, and only then made current. So nobody who
// reads the secret gets a password that is not valid yet.
type rotateStep struct {
	*world
	vault  vault
	ds     directoryCalls
	finder *directoryStep

	user   string
	secret config.BootstrapSecret
	fits   func([]byte) error

	ended bool // in this run
}

func (s *rotateStep) name() string { return "rotate " + s.user }

// Names in the state file, by the version of the secret that is made.
func rotation(principal string) string  { return "rotation/" + principal }
func setVersion(version string) string  { return "set/" + version }
func proved(version string) string      { return "proved/" + version }
func madeCurrent(version string) string { return "current/" + version }
func unconfirmed(version string) string { return "unconfirmed/" + version }

func (s *rotateStep) principal() string { return s.user + "@" + s.Config.Directory.Realm() }

// did reports whether something was done, by the state file.
func (s *rotateStep) did(what string) bool {
	_, ok := s.state.Done[what]
	return ok
}

// look finds how far the rotation is. One that was cut short is taken up with the
// value that it had.
func (s *rotateStep) look(ctx context.Context) (view, error) {
	v := view{is: "the password of " + s.user + " in " + s.secret.String()}
	if err := s.ready(ctx); err != nil {
		return v, err
	}
	stages, err := s.stages(ctx)
	if err != nil {
		return v, err
	}
	version := s.state.Made[rotation(s.principal())]
	if s.ended {
		v.is = "the password of " + s.user + " is a new one, and " + s.secret.String() + " has it"
		v.notes = []string{"a program that still has the old password tries it once and is refused: distribute the new one now (a daemon " +
			"with a credential is restarted)"}
		return v, nil
	}
	store := change{key: "pending", what: "store a new password for " + s.user + " in " + s.secret.String() + " as " + stagePending,
		act: s.store}
	if version == "" || s.did(madeCurrent(version)) { // a new one begins
		if err := s.undisturbed(stages); err != nil {
			return v, err
		}
		store.key, store.act, version = "", s.begin, ""
	}
	for _, step := range []struct {
		done bool
		do   change
	}{
		{len(stages[version]) > 0, store},
		{s.did(setVersion(version)), change{what: "set the password of " + s.user + " in the directory", act: s.set}},
		{s.did(proved(version)), change{what: "log in as " + s.user + " with it, once", act: s.prove}},
		{false, change{key: "current", what: "make it " + stageCurrent, act: s.promote}},
	} {
		if !step.done {
			v.do = append(v.do, step.do)
		}
	}
	return v, nil
}

// undisturbed refuses to begin while somebody else's rotation is under way.
func (s *rotateStep) undisturbed(stages map[string][]string) error {
	for version, list := range stages {
		if version == s.state.Made[rotation(s.principal())] {
			continue // our last one, which a read that lags shows as it was
		}
		if slices.Contains(list, stagePending) && !slices.Contains(list, stageCurrent) {
			return advise("wait for it; if it was given up: aws secretsmanager update-secret-version-stage --region "+s.region+" "+
				"--secret-id "+quote(s.secret.Manager)+
				" --version-stage AWSPENDING --remove-from-version-id "+quote(version),
				"somebody else is rotating the secret %s: its version %s is pending", s.secret, plain(version))
		}
	}
	return nil
}

// ready finds the directory: nothing of it is made here.
func (s *rotateStep) ready(ctx context.Context) error {
	if s.directory.id != "" {
		return nil
	}
	d, err := s.finder.find(ctx)
	switch {
	case err != nil:
		return err
	case d == nil:
		return advise("run kerbagent bootstrap apply first", "there is no directory %s yet", s.Config.Directory.Name)
	}
	if err := s.finder.acceptable(ctx, d); err != nil {
		return err
	}
	s.directory = vpcOf(*d)
	return nil
}

// stages returns the secret's versions with their stages.
func (s *rotateStep) stages(ctx context.Context) (map[string][]string, error) {
	out, err := s.vault.sm.describeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(s.secret.Manager)})
	if err != nil {
		return nil, fmt.Errorf("reading the versions of %s: %w", s.secret, err)
	}
	return out.VersionIdsToStages, nil
}

// begin chooses the version's id and keeps it, before anything is sent: the same
// request with the same id makes no second version.
func (s *rotateStep) begin(ctx context.Context) error {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fmt.Errorf("naming a version: %w", err)
	}
	version := fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	if err := s.state.made(rotation(s.principal()), version); err != nil {
		return err
	}
	return s.store(ctx)
}

// store makes the pending version, unless it is there already.
func (s *rotateStep) store(ctx context.Context) error {
	password, err := generate(s.fits)
	if err != nil {
		return err
	}
	text, err := s.vault.replaced(ctx, s.secret, password)
	if err != nil {
		return err
	}
	_, err = s.vault.sm.putSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(s.secret.Manager),
		SecretString:       aws.String(text),
		ClientRequestToken: aws.String(s.state.Made[rotation(s.principal())]), VersionStages: []string{stagePending}})
	if awsapi.Code(err) == "ResourceExistsException" {
		return nil // of a request whose answer was lost: what stands there counts
	}
	if err != nil {
		return fmt.Errorf("storing %s: %w", s.secret, err)
	}
	return nil
}

// set sets the account's password to the pending one: Admin's through Directory
// Service, a user's with the rights of Admin.
func (s *rotateStep) set(ctx context.Context) error {
	version := s.state.Made[rotation(s.principal())]
	password, err := s.vault.readVersion(ctx, s.secret, version)
	if err != nil {
		return err
	}
	if s.user == adminName {
		_, err := s.ds.resetUserPassword(ctx, &directoryservice.ResetUserPasswordInput{DirectoryId: aws.String(s.directory.id),
			UserName: aws.String(s.user), NewPassword: aws.String(string(password.Reveal()))})
		if err != nil {
			return fmt.Errorf("setting the password of %s: %w", s.user, err)
		}
		return s.state.did(setVersion(version), s.Now())
	}
	admin, err := s.vault.read(ctx, s.Config.Directory.AdminPassword)
	if err != nil {
		return fmt.Errorf("the password of the directory's Admin: %w", err)
	}
	accounts, err := s.Accounts(ctx, AccountsAt{Realm: s.Config.Directory.Realm(), ShortName: s.directory.shortName,
		Controllers: s.directory.addresses, Admin: adminName, Password: admin})
	if err != nil {
		return unopened(s.world, err)
	}
	defer func() { _ = accounts.Close() }() // it has done what it was opened for
	a, ok, err := accounts.Find(ctx, s.user)
	switch {
	case err != nil:
		return err
	case !ok:
		return advise("run kerbagent bootstrap apply, which makes it", "there is no user %s in the directory", s.user)
	case a.Disabled:
		return advise("enable it first, or leave it out", "the user %s is disabled", s.user)
	}
	// What is not confirmed is proved by the login that comes next.
	switch err := accounts.SetPassword(ctx, s.user, password); {
	case errors.Is(err, ErrUnconfirmed):
		s.state.Done[unconfirmed(version)] = s.Now().UTC()
	case err != nil:
		return err
	}
	return s.state.did(setVersion(version), s.Now())
}

// prove logs in with the pending password, once in a run.
func (s *rotateStep) prove(ctx context.Context) error {
	version := s.state.Made[rotation(s.principal())]
	password, err := s.vault.readVersion(ctx, s.secret, version)
	if err != nil {
		return err
	}
	if err := s.Login(ctx, LoginAs{User: s.user, Realm: s.Config.Directory.Realm(), Controllers: s.directory.addresses,
		Password: password}); err != nil {
		if s.did(unconfirmed(version)) { // it may not have been set: the next run sets it again
			delete(s.state.Done, unconfirmed(version))
			delete(s.state.Done, setVersion(version))
			if err := s.state.save(); err != nil {
				return err
			}
		}
		return advise("the secret still has the old value as "+stageCurrent+", and the new one as "+stagePending+". Run it again in some "+
			"minutes, when all domain controllers have the new password: it goes on where it stopped",
			"the new password of %s was set, and the login with it failed: %s", s.user, awsapi.Text(err))
	}
	return s.state.did(proved(version), s.Now())
}

// promote makes the pending version the one that everybody reads.
func (s *rotateStep) promote(ctx context.Context) error {
	version := s.state.Made[rotation(s.principal())]
	stages, err := s.stages(ctx)
	if err != nil {
		return err
	}
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String(s.secret.Manager), VersionStage: aws.String(stageCurrent),
		MoveToVersionId: aws.String(version)}
	for _, other := range slices.Sorted(maps.Keys(stages)) {
		if slices.Contains(stages[other], stageCurrent) {
			in.RemoveFromVersionId = aws.String(other)
		}
	}
	if aws.ToString(in.RemoveFromVersionId) != version {
		if _, err := s.vault.sm.updateSecretVersionStage(ctx, in); err != nil {
			return fmt.Errorf("making the new version of %s current: %w", s.secret, err)
		}
	}
	return s.finish(version)
}

// finish notes that the version is the one that everybody reads.
func (s *rotateStep) finish(version string) error {
	for _, at := range []string{setVersion(version), unconfirmed(version), proved(version)} {
		delete(s.state.Done, at)
	}
	s.ended = true
	return s.state.did(madeCurrent(version), s.Now())
}

func (s *rotateStep) needs() []permission {
	out := []permission{watch("ds:DescribeDirectories", "*")}
	if s.Config.Directory.ID == "" {
		out = append(out, watch("ds:ListTagsForResource", "*"))
	}
	if s.user == adminName {
		id := s.Config.Directory.ID
		if id == "" {
			id = "*"
		}
		out = append(out, act("ds:ResetUserPassword", s.arn("ds", s.region, "directory/"+id)))
	} else {
		out = append(out, s.vault.needs(s.Config.Directory.AdminPassword, false)...)
	}
	out = append(out, s.onSecretsKey("Decrypt", "GenerateDataKey")...)
	return append(out, s.onSecret(s.secret.Manager, "GetSecretValue", "DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage")...)
}

// rotateSteps returns one step for each name: Admin, or a user of the file.
func (w *world) rotateSteps(names []string) ([]step, error) {
	vault := vault{w.AWS.secrets, w}
	finder := &directoryStep{world: w, ds: w.AWS.directory, ec2: w.AWS.ec2, vault: vault}
	var out []step
	for _, name := range names {
		s := &rotateStep{world: w, vault: vault, ds: w.AWS.directory, finder: finder, user: name, fits: checkUserPassword}
		i := slices.IndexFunc(w.Config.Users, func(u config.BootstrapUser) bool { return u.Name == name })
		switch {
		case strings.EqualFold(name, adminName):
			s.user, s.secret, s.fits = adminName, w.Config.Directory.AdminPassword, checkAdminPassword
		case i < 0:
			return nil, &Error{Exit: ExitUsage, Step: "start", Text: name + " is not a user of the configuration",
				Next: "name Admin, or users of bootstrap.users"}
		default:
			s.secret = w.Config.Users[i].Password
		}
		if s.secret.Manager == "" {
			return nil, &Error{Exit: ExitUsage, Step: "start",
				Text: "the password of " + s.user + " is in " + s.secret.String() + ", and only one in Secrets Manager is rotated",
				Next: "store it in Secrets Manager and write secretsmanager:NAME in the configuration"}
		}
		out = append(out, s)
	}
	return out, nil
}

// rotatable returns a step for every password that can be rotated.
func (w *world) rotatable() []step {
	names := []string{adminName}
	for _, u := range w.Config.Users {
		names = append(names, u.Name)
	}
	var out []step
	for _, name := range names {
		if steps, err := w.rotateSteps([]string{name}); err == nil { // else it is no secret of Secrets Manager
			out = append(out, steps...)
		}
	}
	return out
}
