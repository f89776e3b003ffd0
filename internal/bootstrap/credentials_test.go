package bootstrap

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// newcomer is somebody whose AWS configuration is all there is.
func newcomer(t *testing.T, h *host, awsConfig string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(awsConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_CONFIG_FILE": file, "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CA_BUNDLE": "", "AWS_ENDPOINT_URL": h.cloud.URL(),
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "HOME": t.TempDir()} {
		t.Setenv(name, value)
	}
}

// toCloud sends every request to the fake: the SDK takes no endpoint from the
// environment for AssumeRole.
type toCloud string

// Do is *http.Client's.
func (c toCloud) Do(r *http.Request) (*http.Response, error) {
	r.Host = r.URL.Host // it is signed
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(string(c), "http://")
	return http.DefaultClient.Do(r)
}

const (
	withKeys = "[profile base]\naws_access_key_id = " + accessKey + "\naws_secret_access_key = " + secretKey + "\n"
	withMFA  = withKeys + "[profile mfa]\nrole_arn = arn:aws:iam::123456789012:role/operator\nsource_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/operator\n"
	withSSO  = "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = operator\n[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example.com/start\n"
)

// What a newcomer's first plan says: one sentence, what to type, and nothing done.
func TestFirstPlanOfANewcomer(t *testing.T) {
	for name, c := range map[string]struct {
		config, profile, region string
		code                    func() (string, error)
		exit                    Exit
		words                   []string
	}{
		"no credentials":         {"", "", "us-east-1", nil, ExitCredentials, []string{"no AWS credentials were found", "aws sso login", "AWS_PROFILE"}},
		"no Region":              {withKeys, "base", "", nil, ExitUsage, []string{"no AWS Region is set", "bootstrap.region", "--region"}},
		"no such profile":        {withKeys, "other", "us-east-1", nil, ExitUsage, []string{"no profile other", "aws configure list-profiles"}},
		"SSO without a session":  {withSSO, "sso", "us-east-1", nil, ExitCredentials, []string{"SSO session has expired", "aws sso login"}},
		"MFA without a terminal": {withMFA, "mfa", "us-east-1", nil, ExitCredentials, []string{"MFA code", "no terminal"}},
		"MFA with a wrong code":  {withMFA, "mfa", "us-east-1", func() (string, error) { return "000000", nil }, ExitCredentials, []string{"MultiFactorAuthentication failed"}},
		"MFA with its code":      {withMFA, "mfa", "us-east-1", func() (string, error) { return "123456", nil }, ExitDone, nil},
		"keys":                   {withKeys, "base", "us-east-1", nil, ExitDone, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{MFACode: "123456"})
			addOrders(cloud)
			h := newHost(t, cloud, wish(modifyMode, ""))
			newcomer(t, h, c.config)
			o := h.options()
			var err error
			if o.AWS, err = Connect(t.Context(), c.region, c.profile, c.code, awsconfig.WithHTTPClient(toCloud(cloud.URL()))); err == nil {
				_, err = Plan(t.Context(), o)
			}
			var e *Error
			switch {
			case c.exit == ExitDone && err != nil, c.exit != ExitDone && !errors.As(err, &e):
				t.Fatalf("ended with %v", err)
			case c.exit == ExitDone:
				return
			}
			for _, word := range c.words {
				if !strings.Contains(e.Text+"\n"+e.Next, word) {
					t.Errorf("said %q and %q, without %q", e.Text, e.Next, word)
				}
			}
			if e.Exit != c.exit || strings.Contains(e.Text, "\n") || strings.Contains(e.Next, "where it stopped") || len(cloud.Mutations()) > 0 {
				t.Errorf("exit %d, %q and %q", e.Exit, e.Text, e.Next)
			}
		})
	}
}

// A host that does not reach AWS at all is told so in one sentence: it used to be the
// SDK's chain of errors, and "it continues where it stopped".
func TestFirstPlanWithoutANetwork(t *testing.T) {
	cloud := newCloud(t, awstest.Options{})
	h := newHost(t, cloud, wish(modifyMode, ""))
	h.cutAt = 1
	for name, verb := range map[string]func() error{
		"plan":   func() error { _, err := Plan(t.Context(), h.options()); return err },
		"apply":  func() error { _, err, _ := h.apply(); return err },
		"client": func() error { _, err := Client(t.Context(), h.options()); return err },
	} {
		var e *Error
		if err := verb(); !errors.As(err, &e) || e.Exit != ExitFailed || !strings.HasPrefix(e.Text, "AWS STS (") || !strings.Contains(e.Text, "is not reachable from this host: ") ||
			strings.Contains(e.Text, "operation error") || strings.Contains(e.Next, "stopped") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A clock that is off is corrected by AWS's, as every tool of AWS's does it. It
// used to end as expired credentials. Where that does not help, the clock is said.
func TestAClockThatIsOff(t *testing.T) {
	t.Parallel() // the SDK waits before it tries again
	for name, off := range map[string]time.Duration{"ahead": -20 * time.Minute, "behind": time.Hour} {
		cloud := newCloud(t, awstest.Options{Wall: func() time.Time { return time.Now().Add(off) }})
		addOrders(cloud)
		h := newHost(t, cloud, wish(modifyMode, ""))
		h.done()
		h.right(scenarios()[0])
		cloud.Fault(awstest.Match{Service: "sts"}, awstest.Refuse("SignatureDoesNotMatch", "Signature expired"))
		o := h.options()
		o.Now = time.Now
		_, err := Plan(t.Context(), o)
		var e *Error
		if !errors.As(err, &e) || e.Exit != ExitFailed || !strings.Contains(e.Text, "clock differs from AWS's by") || !strings.Contains(e.Next, "timedatectl") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// In a Region that the account did not opt in to, good credentials are unknown.
func TestCredentialsInARegionThatIsNotEnabled(t *testing.T) {
	cloud := newCloud(t, awstest.Options{Region: "af-south-1"})
	h := newHost(t, cloud, strings.Replace(wish(modifyMode, ""), "us-east-1", "af-south-1", 1))
	cloud.Fault(awstest.Match{Service: "sts"}, awstest.Refuse("InvalidClientTokenId", "The security token included in the request is invalid."))
	o := h.options()
	o.AWS.region = "af-south-1"
	_, err := Plan(t.Context(), o)
	var e *Error
	if !errors.As(err, &e) || e.Exit != ExitCredentials || !strings.Contains(e.Next, "aws account enable-region --region-name af-south-1") {
		t.Errorf("%v", err)
	}
}
