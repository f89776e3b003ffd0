package bootstrap

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// notYet tells a refusal that passes from one that stays: for a role that IAM
// has, but RDS has not seen yet, RDS has no code of its own, only these messages
// under a general one (seen in terraform-provider-aws issue 43741, and for the
// service-linked role in eks-workshop-v2 issue 1609).
func (s *clusterStep) notYet(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	general := api.ErrorCode() == "InvalidParameterCombination" || api.ErrorCode() == "InvalidParameterValue"
	switch {
	case general && strings.Contains(api.ErrorMessage(), "service linked role"):
		return &notYetError{&linkedRoleError{err}, linkedBudget}
	case general && strings.Contains(api.ErrorMessage(), "IAM role"):
		return &notYetError{hint(err, s.unjoined()), notYetBudget}
	case api.ErrorCode() == "DomainNotFoundFault": // a directory that is minutes old
		return &notYetError{err, notYetBudget}
	}
	return err
}

// unjoined tells what to look at when a join fails although nothing was found in its way:
// the ports and the service principal are not published for every case.
func (s *clusterStep) unjoined() string {
	return "look at the cluster's events: aws rds describe-events --region " + s.region + " --source-type db-cluster --source-identifier " +
		s.Config.Cluster.Identifier + " --duration 1440. If the domain controllers could not be reached, let the cluster out to them on all " +
		"ports, and write " +
		"the ones that it needs as cluster.directory_ports. If it was the role, AWS Support knows the service principal of this Region: write " +
		"it as role.principals"
}
