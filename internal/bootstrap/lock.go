package bootstrap

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// lockName is the secret that is the lock of an account in a Region.
// CreateSecret is atomic, and the name is the same on every host.
const lockName = "kerbagent/bootstrap-lock"

// lockGone is how long a released lock's name may stay taken: Secrets Manager
// deletes in the background.
const lockGone = time.Minute

// lock keeps two bootstraps from making the same things twice.
type lock struct {
	sm secretsCalls
	*world
}

// holder is what the lock holds: who has it. Nothing in it is secret.
type holder struct {
	Token string    `json:"token"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// take gets the lock, or the one back that an earlier run of this host left.
func (l *lock) take(ctx context.Context) error {
	if l.state.Lock == "" {
		token := make([]byte, 16)
		if _, err := rand.Read(token); err != nil {
			return fmt.Errorf("making a token for the lock: %w", err)
		}
		l.state.Lock = hex.EncodeToString(token)
		if err := l.state.save(); err != nil {
			return err
		}
	}
	me := holder{Token: l.state.Lock, Host: l.Host, Since: l.Now().UTC()}
	began, released := l.Now(), l.Now()
	for taken := false; ; {
		err := l.create(ctx, me)
		switch {
		case err == nil:
			return nil
		case is[*types.ResourceExistsException](err):
			held, err := l.read(ctx)
			switch {
			case err == nil && held.Token == me.Token:
				return nil
			case err == nil && l.TakeLock && !taken:
				taken = true
				if err := l.remove(ctx); err != nil {
					return err
				}
			case err == nil && l.Now().Sub(began) < l.WaitLock:
				if err := l.wait(ctx, plain(held.Host), l.Now().Sub(began)); err != nil {
					return err
				}
				released = l.Now()
				continue
			case err == nil:
				return &lockedError{by: fmt.Sprintf("%s since %s", plain(held.Host), held.Since.Format(time.RFC3339))}
			case !gone(err) && !passes(err):
				return fmt.Errorf("looking at the lock: %w", err)
			}
		case !is[*types.InvalidRequestException](err) && !passes(err):
			return fmt.Errorf("taking the lock: %w", err)
		}
		// Just given back, or an answer lost: again.
		waited := l.Now().Sub(released)
		if waited >= lockGone && is[*types.InvalidRequestException](err) {
			return advise("when no bootstrap runs: aws secretsmanager delete-secret --region "+l.region+" --secret-id "+lockName+
				" --force-delete-without-recovery",
				"the lock, the secret %s, was deleted with a time for its recovery, and its name is taken until then", lockName)
		}
		if waited >= lockGone {
			return fmt.Errorf("taking the lock %s: %w", lockName, err)
		}
		w := &Wait{For: "the lock " + lockName + " to be free (Secrets Manager deletes in the background)", Usual: "some seconds",
			Every: 2 * time.Second, Budget: lockGone}
		l.tell(Event{Step: "lock", Kind: EventWaiting, Text: w.For, For: waited, Wait: w})
		if err := l.Sleep(ctx, w.Every); err != nil {
			return err
		}
	}
}

// wait waits a while for whoever holds the lock.
func (l *lock) wait(ctx context.Context, holder string, waited time.Duration) error {
	w := &Wait{For: "the bootstrap on " + holder + " to end", Usual: "as long as AWS takes, up to an hour", Every: 15 * time.Second,
		Budget: l.WaitLock}
	l.tell(Event{Step: "lock", Kind: EventWaiting, Text: w.For, For: waited, Wait: w})
	return l.Sleep(ctx, w.Every)
}

// still reports whether the lock is ours yet: a host that slept, or was cut off, may
// have been taken for dead. It is asked before every change.
func (l *lock) still(ctx context.Context) error {
	for began := l.Now(); ; {
		held, err := l.read(ctx)
		switch {
		case err == nil && held.Token == l.state.Lock:
			return nil
		case err == nil:
			return &lockedError{by: fmt.Sprintf("%s has taken it at %s", plain(held.Host), held.Since.Format(time.RFC3339))}
		case !gone(err):
			return fmt.Errorf("looking at the lock: %w", err)
		case l.Now().Sub(began) >= lockGone:
			return &lockedError{by: "nobody by now: somebody has removed it"}
		}
		// Not to be seen yet, or being taken.
		if err := l.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

func (l *lock) read(ctx context.Context) (holder, error) {
	var h holder
	out, err := l.sm.getSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(lockName)})
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.SecretString)), &h); err != nil || h.Token == "" {
		return h, &lockedError{by: "the secret " + lockName + " is not one that kerbagent made"}
	}
	return h, nil
}

func (l *lock) create(ctx context.Context, me holder) error {
	b, err := json.Marshal(me)
	if err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	_, err = l.sm.createSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String(lockName), SecretString: aws.String(string(b)), ClientRequestToken: aws.String(me.Token),
		Description: aws.String("Held while kerbagent bootstrap runs; contains no secret."), Tags: tagList(l.tags(), secretTag),
	})
	return err
}

func (l *lock) remove(ctx context.Context) error {
	_, err := l.sm.deleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String(lockName),
		ForceDeleteWithoutRecovery: aws.Bool(true)})
	if err != nil && !gone(err) {
		return fmt.Errorf("removing the lock: %w", err)
	}
	return nil
}

// release releases the lock, if it is still ours. An answer that is lost is
// asked for again.
func (l *lock) release(ctx context.Context) error {
	for began := l.Now(); ; {
		held, err := l.read(ctx)
		if err == nil && held.Token == l.state.Lock {
			err = l.remove(ctx)
		}
		switch {
		case err == nil, gone(err):
			l.state.Lock = ""
			return l.state.save()
		case !passes(err) || l.Now().Sub(began) >= lockGone:
			return fmt.Errorf("giving the lock back: %w", err)
		}
		if err := l.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

// gone reports whether there is no lock, or that it is on its way out.
func gone(err error) bool {
	return is[*types.ResourceNotFoundException](err) || is[*types.InvalidRequestException](err) || deniedByName(err, lockName)
}
