package bootstrap

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
)

func (s *trustStep) what() string {
	want := s.Config.Trust
	direction := "one-way, " + s.Config.Directory.Name + " trusts " + want.Domain
	if want.TwoWay {
		direction = "two-way"
	}
	return fmt.Sprintf("create AWS's half of the forest trust with %s (%s), its names forwarded to %s", want.Domain, direction,
		addresses(want.DNSServers))
}

func (s *trustStep) create(ctx context.Context, password Secret) error {
	want := s.Config.Trust
	in := &directoryservice.CreateTrustInput{
		DirectoryId: aws.String(s.directory.id), RemoteDomainName: aws.String(want.Domain), TrustPassword: aws.String(string(password.Reveal())),
		TrustDirection: s.direction(), TrustType: types.TrustTypeForest, SelectiveAuth: types.SelectiveAuthDisabled,
	}
	if want.SelectiveAuth {
		in.SelectiveAuth = types.SelectiveAuthEnabled
	}
	in.ConditionalForwarderIpAddrs, in.ConditionalForwarderIpv6Addrs = families(want.DNSServers)
	_, err := s.ds.createTrust(ctx, in)
	if err != nil && !is[*types.EntityAlreadyExistsException](err) {
		return fmt.Errorf("creating the trust: %w", err)
	}
	return nil
}

// forwarder returns the change that makes the names of the other directory known,
// where that is not as it should be.
func (s *trustStep) forwarder(ctx context.Context) (*change, error) {
	want := s.Config.Trust
	out, err := s.ds.describeConditionalForwarders(ctx,
		&directoryservice.DescribeConditionalForwardersInput{DirectoryId: aws.String(s.directory.id), RemoteDomainNames: []string{want.Domain}})
	missing := is[*types.EntityDoesNotExistException](err)
	if err != nil && !missing {
		return nil, fmt.Errorf("reading the conditional forwarder: %w", err)
	}
	v4, v6 := families(want.DNSServers)
	if !missing && len(out.ConditionalForwarders) > 0 {
		f := out.ConditionalForwarders[0]
		if sameSet(f.DnsIpAddrs, v4) && sameSet(f.DnsIpv6Addrs, v6) {
			return nil, nil
		}
		return &change{key: "forwarder", what: "forward the names of " + want.Domain + " to " + addresses(want.DNSServers),
			act: func(ctx context.Context) error {
				_, err := s.ds.updateConditionalForwarder(ctx, &directoryservice.UpdateConditionalForwarderInput{
					DirectoryId: aws.String(s.directory.id), RemoteDomainName: aws.String(want.Domain), DnsIpAddrs: v4, DnsIpv6Addrs: v6})
				return err
			}}, nil
	}
	return &change{key: "forwarder", what: "forward the names of " + want.Domain + " to " + addresses(want.DNSServers),
		act: func(ctx context.Context) error {
			_, err := s.ds.createConditionalForwarder(ctx, &directoryservice.CreateConditionalForwarderInput{DirectoryId: aws.String(s.directory.id),
				RemoteDomainName: aws.String(want.Domain), DnsIpAddrs: v4, DnsIpv6Addrs: v6})
			if is[*types.EntityAlreadyExistsException](err) {
				return nil
			}
			return err
		}}, nil
}

func families(list []netip.Addr) (v4, v6 []string) {
	for _, a := range list {
		if a.Is4() {
			v4 = append(v4, a.String())
		} else {
			v6 = append(v6, a.String())
		}
	}
	return v4, v6
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
