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
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// directorySettle is how long a directory that was asked for is looked for
// before it is asked for again: a second one costs money every hour.
const directorySettle = 5 * time.Minute

// lookMissing reports how a directory comes to be where there is none.
func (s *directoryStep) lookMissing(ctx context.Context) (view, error) {
	want := s.Config.Directory
	if want.ID != "" {
		return view{}, advise("correct directory.id; a directory is seen in its own Region and account only, unless it is shared",
			"there is no directory %s in %s", want.ID, s.region)
	}
	gone := ""
	if id := s.state.Made[s.madeAs()]; id != "" {
		if s.Now().Sub(s.state.Done["made/"+id]).Abs() < directorySettle {
			return view{is: "made as " + id, wait: &Wait{For: "AWS to list the directory " + id, Usual: "some seconds", Every: settleEvery,
				Budget: directorySettle}}, nil
		}
		gone = ": " + id + ", which kerbagent made, is gone"
	}
	v := view{billed: []string{fmt.Sprintf("the directory %s: AWS Managed Microsoft AD, %s edition, two domain controllers", want.Name,
		want.Edition)}, is: "there is no directory " + want.Name + " in " + want.VPC + gone}
	if len(s.elsewhere) > 0 {
		v.notes = append(v.notes, "there is a directory of this name elsewhere, "+plain(strings.Join(s.elsewhere, ", "))+
			": if that one is meant, write directory.id; this one would be a second one, with users of its own")
	}
	if err := s.fits(ctx); err != nil {
		return v, err
	}
	password, store, err := s.vault.readOrStore(ctx, want.AdminPassword, "the directory's Admin", checkAdminPassword)
	if err != nil {
		return v, err
	}
	if store != nil {
		v.do = append(v.do, *store)
	}
	v.do = append(v.do, change{
		key: "create",
		what: fmt.Sprintf("create the AWS Managed Microsoft AD %s (%s, %s edition) in %s, subnets %s and %s", want.Name, want.ShortName,
			want.Edition, want.VPC, want.Subnets[0], want.Subnets[1]),
		settle: directorySettle,
		act:    func(ctx context.Context) error { return s.create(ctx, password) },
	})
	return v, nil
}

// fits checks what AWS would find out only after a while, or not say clearly.
func (s *directoryStep) fits(ctx context.Context) error {
	want := s.Config.Directory
	if err := s.vpcFits(ctx); err != nil {
		return err
	}
	out, err := s.ec2.describeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: want.Subnets})
	if awsapi.Code(err) == "InvalidSubnetID.NotFound" {
		return advise("correct directory.subnets; a subnet is seen in its own Region only", "a subnet is not there: %s", awsapi.Text(err))
	}
	if err != nil {
		return fmt.Errorf("reading the subnets: %w", err)
	}
	zones := map[string]string{}
	for _, n := range out.Subnets {
		id, zone := aws.ToString(n.SubnetId), aws.ToString(n.AvailabilityZoneId)
		if vpc := aws.ToString(n.VpcId); vpc != want.VPC {
			return advise("take subnets of "+want.VPC, "the subnet %s is in %s", id, vpc)
		}
		if other := zones[zone]; other != "" {
			return advise("take two subnets in different Availability Zones", "the subnets %s and %s are both in the zone %s", other, id, zone)
		}
		zones[zone] = id
	}
	limits, err := s.ds.getDirectoryLimits(ctx, &directoryservice.GetDirectoryLimitsInput{})
	if err != nil {
		return fmt.Errorf("reading the quota of directories: %w", err)
	}
	if l := limits.DirectoryLimits; l != nil && l.CloudOnlyMicrosoftADLimitReached {
		return advise("delete one, adopt one, or have the quota raised (Service Quotas, AWS Directory Service)",
			"the account has %d of %d directories that it may have in %s", aws.ToInt32(l.CloudOnlyMicrosoftADCurrentCount),
			aws.ToInt32(l.CloudOnlyMicrosoftADLimit), s.region)
	}
	return nil
}

// vpcFits holds the VPC to Directory Service's prerequisites: default tenancy, and
// nothing of 198.18.0.0/15, which the service uses itself.
func (s *directoryStep) vpcFits(ctx context.Context) error {
	want := s.Config.Directory
	vpc, networks, err := awsapi.VPC(ctx, s.ec2.describeVpcs, want.VPC)
	switch {
	case awsapi.Code(err) == "InvalidVpcID.NotFound":
		return advise("correct directory.vpc; a VPC is seen in its own Region only", "there is no VPC %s in %s", want.VPC, s.region)
	case err != nil:
		return err
	case vpc.InstanceTenancy != "" && vpc.InstanceTenancy != "default":
		return advise("take a VPC of default tenancy", "the VPC %s has %s tenancy, and AWS Directory Service needs the default one", want.VPC,
			vpc.InstanceTenancy)
	}
	own := netip.MustParsePrefix("198.18.0.0/15")
	for _, n := range networks {
		if n.Overlaps(own) {
			return advise("take a VPC with other addresses", "the VPC %s has addresses of %s (%s), which AWS Directory Service uses itself",
				want.VPC, own, n)
		}
	}
	if t := s.Config.Trust; t != nil {
		for _, n := range networks {
			for _, other := range t.Networks {
				if n.Overlaps(other) && n.Bits() > other.Bits() {
					return advise("correct trust.networks, or take a VPC with other addresses",
						"the network %s of the other forest has the VPC's own addresses in it (%s): there is no way to both", other, n)
				}
			}
		}
	}
	return nil
}

func (s *directoryStep) create(ctx context.Context, password Secret) error {
	want := s.Config.Directory
	in := &directoryservice.CreateMicrosoftADInput{
		Name: aws.String(want.Name), ShortName: aws.String(want.ShortName), Password: aws.String(string(password.Reveal())),
		Edition:     types.DirectoryEdition(want.Edition),
		VpcSettings: &types.DirectoryVpcSettings{VpcId: aws.String(want.VPC), SubnetIds: want.Subnets},
		Tags:        tagList(s.tags(), directoryTag),
	}
	if want.Description != "" {
		in.Description = aws.String(want.Description)
	}
	out, err := s.ds.createMicrosoftAD(ctx, in)
	if err != nil {
		return fmt.Errorf("creating the directory: %w", err)
	}
	// Until AWS lists it, it is not taken for gone.
	if err := s.state.did("made/"+aws.ToString(out.DirectoryId), s.Now()); err != nil {
		return err
	}
	return s.state.made(s.madeAs(), aws.ToString(out.DirectoryId))
}

func directoryTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }
