package awstest

import (
	"errors"
	"fmt"
	"time"
)

// Everything is the policy of an administrator.
const Everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// principal is who may sign requests.
type principal struct {
	arn, id            string
	key, secret, token string
	expires            time.Time // of a session, on the fake clock
	policies           []*policy
}

// AddUser adds to the account an IAM user with an access key and policies (JSON).
func (c *Cloud) AddUser(name, accessKey, secret string, policies ...string) error {
	return c.add(&principal{arn: c.arn("iam", "", "user/"+name), id: "AIDA" + name, key: accessKey, secret: secret}, policies)
}

// AddSession adds to the account a session of a role: temporary credentials with a
// token, good until a time of the fake clock.
func (c *Cloud) AddSession(role, accessKey, secret, token string, expires time.Time, policies ...string) error {
	if token == "" {
		return errors.New("a session needs a token")
	}
	return c.add(&principal{arn: c.arn("sts", "", "assumed-role/"+role+"/session"), id: "AROA" + role + ":session",
		key: accessKey, secret: secret, token: token, expires: expires}, policies)
}

// SetPolicies replaces the policies of whoever has an access key.
func (c *Cloud) SetPolicies(accessKey string, policies ...string) error {
	parsed, err := parsePolicies(policies)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	who, ok := c.people[accessKey]
	if !ok {
		return fmt.Errorf("no access key %s", accessKey)
	}
	who.policies = parsed
	return nil
}

// Allows reports whether the policies of whoever has an access key allow something.
func (c *Cloud) Allows(accessKey string, p Permission) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	who := c.people[accessKey]
	return who != nil && decide(who.policies, p) == allowed
}

func (c *Cloud) add(p *principal, policies []string) error {
	parsed, err := parsePolicies(policies)
	if err != nil {
		return err
	}
	p.policies = parsed
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people[p.key] = p
	return nil
}

func parsePolicies(documents []string) ([]*policy, error) {
	var parsed []*policy
	for i, d := range documents {
		p, err := parsePolicy(d)
		if err != nil {
			return nil, fmt.Errorf("policy %d: %w", i, err)
		}
		parsed = append(parsed, p)
	}
	return parsed, nil
}

// arn makes a name of this account. Global services and EC2's and RDS's global
// resources have no Region in theirs.
func (c *Cloud) arn(service, region, resource string) string {
	return "arn:" + c.options.Partition + ":" + service + ":" + region + ":" + c.options.Account + ":" + resource
}

func (c *Cloud) regional(service, resource string) string {
	return c.arn(service, c.options.Region, resource)
}
