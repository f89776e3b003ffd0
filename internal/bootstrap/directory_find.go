package bootstrap

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// directoryStep is the guide's step 1.
type directoryStep struct {
	*world
	ds    directoryCalls
	ec2   ec2Calls
	vault vault

	elsewhere []string // directories of this name in other VPCs
}

// find looks for the directory by its id, or else by what it was asked for as.
func (s *directoryStep) find(ctx context.Context) (*types.DirectoryDescription, error) {
	want := s.Config.Directory
	all, err := awsapi.Directories(ctx, s.ds.describeDirectories)
	if err != nil {
		return nil, err
	}
	var found []types.DirectoryDescription
	s.elsewhere = nil
	for _, d := range all {
		if at := vpcOf(d); strings.EqualFold(aws.ToString(d.Name), want.Name) && at.vpc != "" && at.vpc != want.VPC {
			s.elsewhere = append(s.elsewhere, at.id+" in "+at.vpc)
		}
		if want.ID != "" && aws.ToString(d.DirectoryId) == want.ID || want.ID == "" && s.matches(d) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &found[0], nil
	}
	var ids []string
	for _, d := range found {
		ids = append(ids, aws.ToString(d.DirectoryId))
	}
	return nil, advise("say which one: write directory.id", "%d directories are called %s: %s", len(found), want.Name, strings.Join(ids, ", "))
}

// matches reports whether d is what a request of ours would have made. One that is
// on its way out, or never came to be, is none: but for ours it counts.
func (s *directoryStep) matches(d types.DirectoryDescription) bool {
	want := s.Config.Directory
	if !strings.EqualFold(aws.ToString(d.Name), want.Name) {
		return false
	}
	if vpc := vpcOf(d); vpc.vpc != "" && vpc.vpc != want.VPC {
		return false
	}
	ours := s.state.Made[s.madeAs()] == aws.ToString(d.DirectoryId)
	return d.Stage != types.DirectoryStageDeleted && (ours || d.Stage != types.DirectoryStageDeleting && d.Stage != types.DirectoryStageFailed)
}

func (s *directoryStep) madeAs() string {
	return "directory/" + s.Config.Directory.Name + "/" + s.Config.Directory.VPC
}

// vpcOf reads where a directory is, its owner's view for a shared one.
func vpcOf(d types.DirectoryDescription) foundDirectory {
	f := foundDirectory{id: aws.ToString(d.DirectoryId), shortName: strings.ToUpper(aws.ToString(d.ShortName)),
		shared: d.Type == types.DirectoryTypeSharedMicrosoftAd}
	settings, texts := d.VpcSettings, d.DnsIpAddrs
	if owner := d.OwnerDirectoryDescription; f.shared && owner != nil {
		settings = owner.VpcSettings
		if len(texts) == 0 {
			texts = owner.DnsIpAddrs
		}
	}
	if settings != nil {
		f.vpc = aws.ToString(settings.VpcId)
		if !f.shared {
			f.group = aws.ToString(settings.SecurityGroupId)
		}
	}
	for _, t := range texts {
		if a, err := netip.ParseAddr(t); err == nil {
			f.addresses = append(f.addresses, a)
		}
	}
	return f
}

// foreignError reports that something of our name is there and does not carry our tag,
// or does not yet.
type foreignError struct{ error }

// Unwrap returns the advice.
func (e *foreignError) Unwrap() error { return e.error }

// acceptable reports why a directory that is there will not do.
func (s *directoryStep) acceptable(ctx context.Context, d *types.DirectoryDescription) error {
	want, id := s.Config.Directory, aws.ToString(d.DirectoryId)
	switch {
	case d.Type != types.DirectoryTypeMicrosoftAd && d.Type != types.DirectoryTypeSharedMicrosoftAd:
		return advise("name another directory: Aurora MySQL joins AWS Managed Microsoft AD only", "the directory %s is of type %s", id, d.Type)
	case d.Edition == types.DirectoryEditionHybrid:
		return advise("name another directory", "the directory %s is of edition Hybrid, and AWS does not say that Aurora can join that", id)
	case !strings.EqualFold(aws.ToString(d.Name), want.Name):
		return advise("correct directory.name", "the directory %s is called %s, not %s", id, plain(aws.ToString(d.Name)), want.Name)
	case d.Type == types.DirectoryTypeSharedMicrosoftAd && d.ShareStatus != "" && d.ShareStatus != types.ShareStatusShared:
		return advise("accept the share: aws ds accept-shared-directory --region "+s.region+" --shared-directory-id "+id,
			"the directory %s is not shared yet (%s)", id, d.ShareStatus)
	case want.ID != "" || want.Adopt || s.state.Made[s.madeAs()] == id:
		return nil
	}
	ours, err := s.tagged(ctx, id)
	if err != nil || ours {
		return err
	}
	return &foreignError{advise("to use it, write directory.adopt: true (or its id); for one beside it, take another name",
		"there is a directory %s already, %s, and kerbagent did not make it", want.Name, id)}
}

func (s *directoryStep) tagged(ctx context.Context, id string) (bool, error) {
	for p := directoryservice.NewListTagsForResourcePaginator(s.ds,
		&directoryservice.ListTagsForResourceInput{ResourceId: aws.String(id)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return false, fmt.Errorf("reading the tags of %s: %w", id, err)
		}
		for _, t := range page.Tags {
			if aws.ToString(t.Key) == ourTag {
				return true, nil
			}
		}
	}
	return false, nil
}
