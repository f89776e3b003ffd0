package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

func (s *directoryStep) name() string { return "directory" }

func (s *directoryStep) look(ctx context.Context) (view, error) {
	d, err := s.find(ctx)
	if err != nil {
		return view{}, err
	}
	if d == nil {
		return s.lookMissing(ctx)
	}
	id := aws.ToString(d.DirectoryId)
	if err := s.acceptable(ctx, d); is[*foreignError](err) && s.state.lately("directory/create", s.Now(), directorySettle) {
		return view{is: "made as " + id, wait: &Wait{For: "AWS to show the tags of the directory " + id, Usual: "some seconds",
			Every: settleEvery, Budget: directorySettle}}, nil
	} else if err != nil {
		return view{}, err
	}
	v := view{is: fmt.Sprintf("%s %s is %s", id, s.Config.Directory.Name, d.Stage), seen: true}
	switch d.Stage {
	case types.DirectoryStageActive:
	case types.DirectoryStageImpaired:
		v.notes = append(v.notes, "an impaired directory is as a rule mended by AWS within 40 minutes; do not restore a snapshot meanwhile")
		fallthrough
	case types.DirectoryStageRequested, types.DirectoryStageCreating, types.DirectoryStageCreated, types.DirectoryStageRestoring,
		types.DirectoryStageUpdating:
		v.wait = s.patience(id, string(d.Stage))
		return v, nil
	case types.DirectoryStageFailed:
		return v, advise("delete it (aws ds delete-directory --region "+s.region+" --directory-id "+id+"), fix the cause and run it again: "+
			"kerbagent deletes no directory",
			"the directory %s could not be made: %s", id, aws.ToString(d.StageReason))
	case types.DirectoryStageInoperable, types.DirectoryStageRestorefailed:
		return v, advise("ask AWS Support about it, with its id", "the directory %s is %s: %s", id, d.Stage, aws.ToString(d.StageReason))
	case types.DirectoryStageDeleting, types.DirectoryStageDeleted:
		return v, advise("wait until it is gone, or name another directory", "the directory %s is being deleted", id)
	default: // a stage that AWS has added since
		v.wait = s.patience(id, string(d.Stage))
		return v, nil
	}
	if err := s.learn(d); err != nil {
		return v, err
	}
	if s.directory.shared {
		return v, nil // its domain controllers are the owner's to see
	}
	waiting, err := s.controllers(ctx, id)
	if waiting != "" {
		v.wait = s.patience(id, waiting)
	}
	return v, err
}

func (s *directoryStep) patience(id, stage string) *Wait {
	return &Wait{For: fmt.Sprintf("the directory %s to become Active (it is %s)", id, stage), Usual: "20 to 45 minutes",
		Every: 30 * time.Second, Budget: time.Hour}
}

// learn keeps what the other steps need.
func (s *directoryStep) learn(d *types.DirectoryDescription) error {
	f := vpcOf(*d)
	if f.shortName == "" {
		f.shortName = s.Config.Directory.ShortName
	}
	f.group = cmp.Or(s.Config.Directory.SecurityGroup, f.group)
	if len(f.addresses) == 0 {
		return advise("look at it in the console", "the directory %s is Active and has no DNS addresses", f.id)
	}
	s.directory = f
	if s.Config.Directory.ID != "" {
		return nil
	}
	return s.state.made(s.madeAs(), f.id)
}

// controllers reports which domain controller is not ready; empty: all are.
func (s *directoryStep) controllers(ctx context.Context, id string) (string, error) {
	list, err := awsapi.Controllers(ctx, s.ds.describeDomainControllers, id)
	if err != nil {
		return "", err
	}
	active, waiting := 0, ""
	for _, c := range list {
		switch c.Status {
		case types.DomainControllerStatusActive:
			active++
		case types.DomainControllerStatusCreating, types.DomainControllerStatusRestoring, types.DomainControllerStatusUpdating:
			waiting = fmt.Sprintf("domain controller %s is %s", aws.ToString(c.DnsIpAddr), c.Status)
		}
	}
	if active < 2 && waiting == "" {
		waiting = fmt.Sprintf("%d of 2 domain controllers are Active", active)
	}
	if active >= 2 {
		waiting = ""
	}
	return waiting, nil
}

// needs are the permissions of step 1. Those of EC2 are what Directory Service
// uses in the caller's name (AWS: CreateMicrosoftAD, "Before you call").
func (s *directoryStep) needs() []permission {
	out := []permission{watch("ds:DescribeDirectories", "*"), watch("ds:DescribeDomainControllers", "*")}
	if s.Config.Directory.ID != "" {
		return out
	}
	out = append(out, watch("ds:ListTagsForResource", "*"), watch("ds:GetDirectoryLimits", "*"), watch("ec2:DescribeSubnets", "*"),
		watch("ec2:DescribeVpcs", "*"),
		act("ds:CreateMicrosoftAD", "*"), act("ds:AddTagsToResource", "*"))
	for _, a := range []string{"DescribeNetworkInterfaces", "CreateSecurityGroup", "CreateNetworkInterface", "CreateTags",
		"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress"} {
		out = append(out, act("ec2:"+a, "*"))
	}
	return append(out, s.vault.needs(s.Config.Directory.AdminPassword, true)...)
}
