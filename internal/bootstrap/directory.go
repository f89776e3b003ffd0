package bootstrap

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
)

// directorySettle is how long a directory that was asked for is looked for
// before it is asked for again: a second one costs money every hour.
const directorySettle = 5 * time.Minute

// directoryStep is the guide's step 1.
type directoryStep struct {
	*world
	ds    directoryCalls
	ec2   ec2Calls
	vault vault
}

// foundDirectory is what the other steps need of it. Without an id there is none yet.
type foundDirectory struct {
	id        string // d-…
	shortName string
	vpc       string
	group     string // security group of its domain controllers; empty where it is another account's
	addresses []netip.Addr
	shared    bool // another account's
}

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
	if err := s.acceptable(ctx, d); err != nil {
		return view{}, err
	}
	v := view{is: fmt.Sprintf("%s %s is %s", id, s.Config.Directory.Name, d.Stage), seen: true}
	switch d.Stage {
	case types.DirectoryStageActive:
	case types.DirectoryStageImpaired:
		v.notes = append(v.notes, "an impaired directory is as a rule mended by AWS within 40 minutes; do not restore a snapshot meanwhile")
		fallthrough
	case types.DirectoryStageRequested, types.DirectoryStageCreating, types.DirectoryStageCreated, types.DirectoryStageRestoring, types.DirectoryStageUpdating:
		v.wait = s.patience(id, string(d.Stage))
		return v, nil
	case types.DirectoryStageFailed:
		return v, advise("delete it (aws ds delete-directory --region "+s.region+" --directory-id "+id+"), mend the cause and run it again: kerbagent deletes no directory",
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
	return &Wait{For: fmt.Sprintf("the directory %s to become Active (it is %s)", id, stage), Usual: "20 to 45 minutes", Every: 30 * time.Second, Budget: time.Hour}
}

// find looks for the directory by its id, or else by what it was asked for as.
func (s *directoryStep) find(ctx context.Context) (*types.DirectoryDescription, error) {
	want := s.Config.Directory
	in := &directoryservice.DescribeDirectoriesInput{}
	var found []types.DirectoryDescription
	for p := directoryservice.NewDescribeDirectoriesPaginator(s.ds, in); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing directories: %w", err)
		}
		for _, d := range page.DirectoryDescriptions {
			if want.ID != "" && aws.ToString(d.DirectoryId) == want.ID || want.ID == "" && s.matches(d) {
				found = append(found, d)
			}
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

// matches says whether d is what a request of ours would have made. One that is
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
	f := foundDirectory{id: aws.ToString(d.DirectoryId), shortName: strings.ToUpper(aws.ToString(d.ShortName)), shared: d.Type == types.DirectoryTypeSharedMicrosoftAd}
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

// acceptable says why a directory that is there will not do.
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
		return advise("accept the share: aws ds accept-shared-directory --region "+s.region+" --shared-directory-id "+id, "the directory %s is not shared yet (%s)", id, d.ShareStatus)
	case want.ID != "" || want.Adopt || s.state.Made[s.madeAs()] == id:
		return nil
	}
	ours, err := s.tagged(ctx, id)
	if err != nil || ours {
		return err
	}
	return advise("to use it, write directory.adopt: true (or its id); for one beside it, take another name", "there is a directory %s already, %s, and kerbagent did not make it", want.Name, id)
}

func (s *directoryStep) tagged(ctx context.Context, id string) (bool, error) {
	for p := directoryservice.NewListTagsForResourcePaginator(s.ds, &directoryservice.ListTagsForResourceInput{ResourceId: aws.String(id)}); p.HasMorePages(); {
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

// learn keeps what the other steps need.
func (s *directoryStep) learn(d *types.DirectoryDescription) error {
	f := vpcOf(*d)
	if f.shortName == "" {
		f.shortName = s.Config.Directory.ShortName
	}
	if len(f.addresses) == 0 {
		return advise("look at it in the console", "the directory %s is Active and has no DNS addresses", f.id)
	}
	s.directory = f
	if s.Config.Directory.ID != "" {
		return nil
	}
	return s.state.made(s.madeAs(), f.id)
}

// controllers says which domain controller is not ready; empty: all are.
func (s *directoryStep) controllers(ctx context.Context, id string) (string, error) {
	active, waiting := 0, ""
	for p := directoryservice.NewDescribeDomainControllersPaginator(s.ds, &directoryservice.DescribeDomainControllersInput{DirectoryId: aws.String(id)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("listing the domain controllers of %s: %w", id, err)
		}
		for _, c := range page.DomainControllers {
			switch c.Status {
			case types.DomainControllerStatusActive:
				active++
			case types.DomainControllerStatusCreating, types.DomainControllerStatusRestoring, types.DomainControllerStatusUpdating:
				waiting = fmt.Sprintf("domain controller %s is %s", aws.ToString(c.DnsIpAddr), c.Status)
			}
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
