package bootstrap

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
)

// trustStep is the guide's step 2: AWS's half of a forest trust.
type trustStep struct {
	*world
	ds    directoryCalls
	ec2   ec2Calls
	vault vault

	verifiedBefore *time.Time // the state's age when it was last asked to be verified, in this run
}

func (s *trustStep) find(ctx context.Context) (*types.Trust, error) {
	for p := directoryservice.NewDescribeTrustsPaginator(s.ds,
		&directoryservice.DescribeTrustsInput{DirectoryId: aws.String(s.directory.id)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing trusts: %w", err)
		}
		for _, t := range page.Trusts {
			gone := t.TrustState == types.TrustStateDeleted
			if !gone && strings.EqualFold(strings.TrimSuffix(aws.ToString(t.RemoteDomainName), "."), s.Config.Trust.Domain) {
				return &t, nil
			}
		}
	}
	return nil, nil
}

func (s *trustStep) direction() types.TrustDirection {
	if s.Config.Trust.TwoWay {
		return types.TrustDirectionTwoWay
	}
	return types.TrustDirectionOneWayOutgoing // as AWS sees it: our directory trusts the other
}

// acceptable reports why a trust that is there will not do.
func (s *trustStep) acceptable(t *types.Trust) error {
	id, next := aws.ToString(t.TrustId), "delete it, on both sides, and run it again; or write what it is: a trust cannot be turned"
	switch {
	case t.TrustType == types.TrustTypeExternal:
		return advise(next, "the trust %s is an external one, and users need a forest trust", id)
	case t.TrustDirection != s.direction() && t.TrustDirection != types.TrustDirectionTwoWay:
		return advise(next, "the trust %s is %q, and %q is configured", id, t.TrustDirection, s.direction())
	case t.TrustDirection != s.direction():
		return advise("write direction: two-way", "the trust %s is %q, and %q is configured", id, t.TrustDirection, s.direction())
	case s.Config.Trust.SelectiveAuth && t.SelectiveAuth == types.SelectiveAuthDisabled:
		return advise("turn it on: aws ds update-trust --region "+s.region+" --trust-id "+id+" --selective-auth Enabled; or leave "+
			"selective_auth out", "selective_auth: true is configured, and the trust %s lets every user of %s in", id, s.Config.Trust.Domain)
	}
	return nil
}
