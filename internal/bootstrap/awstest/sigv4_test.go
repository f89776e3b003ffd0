package awstest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestPublishedSignature is AWS's own worked example: "Examples of the complete
// Signature Version 4 signing process", a GET of ListUsers of IAM.
func TestPublishedSignature(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	s, ok := parseScope("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
	if !ok {
		t.Fatal("the header is not read")
	}
	if got := signatureOf(r, nil, s, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"); got != s.signature {
		t.Errorf("signature %s, want %s", got, s.signature)
	}
}

func TestCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		key, secret, token string
		wall               time.Duration // the server's clock ahead of the client's
		query, json, ec2   string
	}{
		"right":            {adminKey, adminSecret, "", 0, "", "", ""},
		"unknown key":      {"AKIANOBODY", adminSecret, "", 0, "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"},
		"wrong secret":     {adminKey, "another", "", 0, "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure"},
		"a token too much": {adminKey, adminSecret, "token", 0, "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"},
		"session":          {"ASIAGOOD", "s", "good/token==", 0, "", "", ""},
		"expired":          {"ASIAOLD", "s", "old", 0, "ExpiredToken", "ExpiredTokenException", "RequestExpired"},
		"clock behind":     {adminKey, adminSecret, "", 10 * minute, "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure"},
		"clock ahead":      {adminKey, adminSecret, "", -10 * minute, "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure"},
	} {
		t.Run(name, func(t *testing.T) {
			c := world(t, Options{Wall: func() time.Time { return time.Now().Add(test.wall) }})
			for key, until := range map[string]time.Time{"ASIAGOOD": c.Now().Add(time.Hour), "ASIAOLD": c.Now()} {
				token := map[string]string{"ASIAGOOD": "good/token==", "ASIAOLD": "old"}[key]
				if err := c.AddSession("operator", key, "s", token, until, Everything); err != nil {
					t.Fatal(err)
				}
			}
			k := clients(c, test.key, test.secret, test.token)
			if _, err := k.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: ptr("x")}); code(err) != test.query && (test.query != "" || code(err) != "NoSuchEntity") {
				t.Errorf("query: %v, want %q", err, test.query)
			}
			if _, err := k.ds.GetDirectoryLimits(t.Context(), &directoryservice.GetDirectoryLimitsInput{}); code(err) != test.json {
				t.Errorf("JSON: %v, want %q", err, test.json)
			}
			if _, err := k.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); code(err) != test.ec2 {
				t.Errorf("EC2: %v, want %q", err, test.ec2)
			}
		})
	}
}

func TestSessionExpiresOnTheFakeClock(t *testing.T) {
	c := world(t, Options{})
	if err := c.AddSession("operator", "ASIA1", "s", "token", c.Now().Add(time.Hour), Everything); err != nil {
		t.Fatal(err)
	}
	k := clients(c, "ASIA1", "s", "token")
	out := must[*sts.GetCallerIdentityOutput](t)(k.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))
	if *out.Arn != "arn:aws:sts::123456789012:assumed-role/operator/session" {
		t.Errorf("ARN %s", *out.Arn)
	}
	c.Advance(time.Hour)
	if _, err := k.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); code(err) != "ExpiredToken" {
		t.Errorf("an hour later: %v", err)
	}
}

func TestUnsigned(t *testing.T) {
	c := world(t, Options{})
	for name, header := range map[string]string{"none": "", "basic": "Basic eDp5", "cut": "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0"} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL(), strings.NewReader("Action=GetCallerIdentity"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", header)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode < 400 {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
}
