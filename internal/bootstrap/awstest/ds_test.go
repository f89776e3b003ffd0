package awstest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
	"github.com/aws/smithy-go"
)

func directoryInput() *directoryservice.CreateMicrosoftADInput {
	return &directoryservice.CreateMicrosoftADInput{Name: ptr("corp.example.com"), ShortName: ptr("CORP"), Password: ptr("Secret-1234"), Edition: types.DirectoryEditionStandard,
		VpcSettings: &types.DirectoryVpcSettings{VpcId: ptr("vpc-0a000000"), SubnetIds: []string{"subnet-0a000001", "subnet-0a000002"}}, Tags: []types.Tag{{Key: ptr("made-by"), Value: ptr("kerbagent")}}}
}

func ptr[T any](v T) *T { return &v }

// code is the error code that a service answered, or "".
func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

func TestDirectoryGetsActive(t *testing.T) {
	c := world(t, Options{})
	k := admin(c).ds
	id := must[*directoryservice.CreateMicrosoftADOutput](t)(k.CreateMicrosoftAD(t.Context(), directoryInput())).DirectoryId
	var seen []types.DirectoryStage
	for range 60 {
		out := must[*directoryservice.DescribeDirectoriesOutput](t)(k.DescribeDirectories(t.Context(), &directoryservice.DescribeDirectoriesInput{DirectoryIds: []string{*id}}))
		d := out.DirectoryDescriptions[0]
		if len(seen) == 0 || seen[len(seen)-1] != d.Stage {
			seen = append(seen, d.Stage)
		}
		if d.Stage == types.DirectoryStageActive {
			if want := []string{"10.0.1.14", "10.0.2.14"}; !slices.Equal(d.DnsIpAddrs, want) {
				t.Errorf("DNS addresses %v, want %v", d.DnsIpAddrs, want)
			}
			break
		}
		c.Advance(30 * time.Second)
	}
	want := []types.DirectoryStage{types.DirectoryStageRequested, types.DirectoryStageCreating, types.DirectoryStageCreated, types.DirectoryStageActive}
	if !slices.Equal(seen, want) {
		t.Errorf("stages %v, want %v", seen, want)
	}
	controllers := must[*directoryservice.DescribeDomainControllersOutput](t)(k.DescribeDomainControllers(t.Context(), &directoryservice.DescribeDomainControllersInput{DirectoryId: id}))
	if len(controllers.DomainControllers) != 2 {
		t.Errorf("%d domain controllers, want 2", len(controllers.DomainControllers))
	}
}

func TestDirectoryRefused(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		change  func(*directoryservice.CreateMicrosoftADInput)
		want    string
	}{
		"password with admin": {change: func(in *directoryservice.CreateMicrosoftADInput) { in.Password = ptr("MyAdmin-1234") }, want: "InvalidParameterException"},
		"password too plain":  {change: func(in *directoryservice.CreateMicrosoftADInput) { in.Password = ptr("onlysmall1") }, want: "InvalidParameterException"},
		"one subnet": {change: func(in *directoryservice.CreateMicrosoftADInput) {
			in.VpcSettings.SubnetIds = []string{"subnet-0a000001"}
		}, want: "InvalidParameterException"},
		"one zone under two names": {change: func(in *directoryservice.CreateMicrosoftADInput) {
			in.VpcSettings.SubnetIds = []string{"subnet-0a000001", "subnet-0a000003"}
		}, want: "InvalidParameterException"},
		"quota": {options: Options{DirectoryLimit: -1}, change: func(*directoryservice.CreateMicrosoftADInput) {}, want: "DirectoryLimitExceededException"},
	} {
		t.Run(name, func(t *testing.T) {
			c := world(t, test.options)
			in := directoryInput()
			test.change(in)
			if _, err := admin(c).ds.CreateMicrosoftAD(t.Context(), in); code(err) != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if n := len(c.Directories()); n != 0 {
				t.Errorf("%d directories, want none", n)
			}
		})
	}
}

func TestTrust(t *testing.T) {
	for name, test := range map[string]struct {
		direction types.TrustDirection
		domain    string
		password  string // of the other side; "": nobody made it
		egress    bool
		want      types.TrustState
		reason    string
	}{
		"verified":                   {types.TrustDirectionOneWayOutgoing, "onprem.local", "trust-pass", true, types.TrustStateVerified, ""},
		"two-way":                    {types.TrustDirectionTwoWay, "onprem.local", "trust-pass", true, types.TrustStateVerified, ""},
		"the other side is not made": {types.TrustDirectionOneWayOutgoing, "onprem.local", "", true, types.TrustStateVerifyFailed, unreachableText},
		"another password":           {types.TrustDirectionTwoWay, "onprem.local", "other", true, types.TrustStateVerifyFailed, reasonDenied},
		"no way out":                 {types.TrustDirectionTwoWay, "onprem.local", "trust-pass", false, types.TrustStateVerifyFailed, unreachableText},
		"NetBIOS clash":              {types.TrustDirectionTwoWay, "corp.local", "trust-pass", true, types.TrustStateFailed, reasonClash},
		"incoming is not verified":   {types.TrustDirectionOneWayIncoming, "onprem.local", "", false, types.TrustStateCreated, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := world(t, Options{})
			d := seedJoinable(c)
			if test.password != "" {
				c.OtherSide(test.domain, test.password)
			}
			k := admin(c)
			if test.egress {
				openEgress(t, k, c.Directories()[0].SecurityGroup)
			}
			id := must[*directoryservice.CreateTrustOutput](t)(k.ds.CreateTrust(t.Context(), &directoryservice.CreateTrustInput{DirectoryId: &d, RemoteDomainName: &test.domain,
				TrustPassword: ptr("trust-pass"), TrustDirection: test.direction, ConditionalForwarderIpAddrs: []string{"192.0.2.53"}})).TrustId
			c.Advance(5 * minute)
			trust := must[*directoryservice.DescribeTrustsOutput](t)(k.ds.DescribeTrusts(t.Context(), &directoryservice.DescribeTrustsInput{DirectoryId: &d, TrustIds: []string{*id}})).Trusts[0]
			reason := ""
			if trust.TrustStateReason != nil {
				reason = *trust.TrustStateReason
			}
			if trust.TrustState != test.want || reason != test.reason {
				t.Errorf("%s %q, want %s %q", trust.TrustState, reason, test.want, test.reason)
			}
		})
	}
}

const unreachableText = "The specified domain either does not exist or could not be contacted. Name: onprem.local"

func TestTrustVerifiesWhenTheOtherSideComes(t *testing.T) {
	c := world(t, Options{})
	d := seedJoinable(c)
	k := admin(c)
	openEgress(t, k, c.Directories()[0].SecurityGroup)
	in := &directoryservice.CreateTrustInput{DirectoryId: &d, RemoteDomainName: ptr("onprem.local."), TrustPassword: ptr("trust-pass"),
		TrustDirection: types.TrustDirectionOneWayOutgoing, ConditionalForwarderIpAddrs: []string{"192.0.2.53"}}
	id := must[*directoryservice.CreateTrustOutput](t)(k.ds.CreateTrust(t.Context(), in)).TrustId
	if _, err := k.ds.CreateTrust(t.Context(), in); code(err) != "EntityAlreadyExistsException" {
		t.Errorf("a second trust: %v", err)
	}
	c.Advance(5 * minute)
	c.OtherSide("onprem.local", "trust-pass")
	must[*directoryservice.VerifyTrustOutput](t)(k.ds.VerifyTrust(t.Context(), &directoryservice.VerifyTrustInput{TrustId: id}))
	if s := c.Trusts()[0].State; s != "Verifying" {
		t.Errorf("state %s, want Verifying", s)
	}
	c.Advance(minute)
	if s := c.Trusts()[0].State; s != "Verified" {
		t.Errorf("state %s, want Verified", s)
	}
}
