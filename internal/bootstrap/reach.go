package bootstrap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// unreachable asks each service one small question, side by side, and says which
// did not get it, and why. Whatever a service answers, a refusal too, it is
// reachable. STS has answered already.
func (w *world) unreachable(ctx context.Context) []string {
	services := []struct {
		name string
		ask  func() error
	}{
		{"AWS Directory Service", func() error {
			_, err := w.AWS.directory.getDirectoryLimits(ctx, &directoryservice.GetDirectoryLimitsInput{})
			return err
		}},
		{"Amazon EC2", func() error {
			_, err := w.AWS.ec2.describeVpcs(ctx, &ec2.DescribeVpcsInput{MaxResults: aws.Int32(5)})
			return err
		}},
		{"IAM", func() error {
			_, err := w.AWS.iam.getRole(ctx, &iam.GetRoleInput{RoleName: aws.String(w.Config.Role.Name)})
			return err
		}},
		{"Amazon RDS", func() error {
			_, err := w.AWS.rds.describeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String(w.Config.Cluster.Identifier)})
			return err
		}},
		{"AWS Secrets Manager", func() error {
			_, err := w.AWS.secrets.getSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(lockName)})
			return err
		}},
	}
	notes := make([]string, len(services))
	var all sync.WaitGroup
	for i, s := range services {
		all.Go(func() {
			if where, why := unsent(s.ask()); why != "" {
				notes[i] = fmt.Sprintf("%s (%s) is not reachable from this host: %s", s.name, where, why)
			}
		})
	}
	all.Wait()
	var out []string
	for _, n := range notes {
		if n != "" {
			out = append(out, n+"; it takes a NAT, a proxy (HTTPS_PROXY), or an interface endpoint where the Region has one")
		}
	}
	return out
}

// unsent reports why a request did not reach a service, and where it was to go; empty:
// it did, or was not sent for another reason.
func unsent(err error) (where, why string) {
	var sending *smithyhttp.RequestSendError
	if !errors.As(err, &sending) {
		return "", ""
	}
	var to *url.Error
	if errors.As(err, &to) {
		if u, err := url.Parse(to.URL); err == nil {
			where = u.Host
		}
	}
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	var dial *net.OpError
	var network net.Error
	switch {
	case errors.As(err, &dial) && dial.Op == "proxyconnect":
		return where, "proxy: " + dial.Err.Error()
	case errors.As(err, &dns):
		return dns.Name, "DNS: " + dns.Err
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &record):
		return where, "TLS: something answers that is not AWS, or a proxy that opens TLS, whose CA this host does not trust " +
			"(AWS_CA_BUNDLE): " + plain(errors.Unwrap(sending).Error())
	case errors.As(err, &dial) && dial.Op == "dial":
		return where, "TCP: " + dial.Error()
	case errors.As(err, &network) && network.Timeout():
		return where, "no answer in time"
	}
	return where, text(err)
}
