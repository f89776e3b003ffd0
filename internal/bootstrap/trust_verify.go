package bootstrap

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
)

// verification waits for a verdict on the trust, and asks for one where there is none.
func (s *trustStep) verification(v view, t *types.Trust) (view, error) {
	id := aws.ToString(t.TrustId)
	wait := &Wait{For: fmt.Sprintf("the trust %s to be verified (it is %s)", id, t.TrustState), Usual: "a few minutes",
		Every: 15 * time.Second, Budget: 10 * time.Minute}
	verify := change{key: "verify", what: "verify the trust", act: func(ctx context.Context) error {
		s.verifiedBefore = t.StateLastUpdatedDateTime
		if s.verifiedBefore == nil {
			s.verifiedBefore = new(time.Time)
		}
		_, err := s.ds.verifyTrust(ctx, &directoryservice.VerifyTrustInput{TrustId: aws.String(id)})
		return err
	}}
	switch t.TrustState {
	case types.TrustStateVerified:
		v.notes = []string{s.routing(t.SelectiveAuth == types.SelectiveAuthEnabled)}
		return v, nil
	case types.TrustStateCreating, types.TrustStateUpdating, types.TrustStateVerifying:
		if len(v.do) == 0 {
			v.wait = wait
		}
		return v, nil
	case types.TrustStateCreated, types.TrustStateUpdated:
		v.do = append(v.do, verify)
		return v, nil
	case types.TrustStateVerifyFailed:
		before := s.verifiedBefore
		if len(v.do) > 0 || before == nil || t.StateLastUpdatedDateTime == nil || !t.StateLastUpdatedDateTime.After(*before) {
			v.do = append(v.do, verify)
			v.notes = append(v.notes, s.otherSide(aws.ToString(t.TrustStateReason)))
			return v, nil
		}
		v.blocked = s.otherSide(aws.ToString(t.TrustStateReason))
		return v, nil
	case types.TrustStateFailed, types.TrustStateUpdateFailed:
		return v, advise("delete it (aws ds delete-trust --region "+s.region+" --trust-id "+id+") and run it "+
			"again. "+trustAdvice(aws.ToString(t.TrustStateReason)),
			"the trust %s is %s: %s", id, t.TrustState, plain(aws.ToString(t.TrustStateReason)))
	case types.TrustStateDeleting:
		v.wait = wait
		return v, nil
	}
	v.wait = wait
	return v, nil
}
