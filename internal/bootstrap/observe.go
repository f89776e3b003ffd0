package bootstrap

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// observeStep reads what another host's bootstrap has made: directory and cluster.
// It makes nothing.
type observeStep struct {
	directories *directoryStep
	clusters    *clusterStep
}

func (s *observeStep) name() string { return "aws" }

func (s *observeStep) look(ctx context.Context) (view, error) {
	w := s.directories.world
	v := view{is: "the directory " + w.Config.Directory.Name}
	d, err := s.directories.find(ctx)
	if err != nil {
		return v, err
	}
	if d == nil || d.Stage != types.DirectoryStageActive {
		v.blocked = "the directory " + w.Config.Directory.Name +
			" is not there yet, or not Active: run kerbagent bootstrap to completion on one host first"
		return v, nil
	}
	if err := s.directories.acceptable(ctx, d); err != nil {
		return v, err
	}
	w.directory = vpcOf(*d)
	id := w.Config.Cluster.Identifier
	c, err := awsapi.Cluster(ctx, s.clusters.rds.describeDBClusters, id)
	if err != nil {
		return v, err
	}
	joined := false
	if c != nil {
		for _, m := range c.DomainMemberships {
			status := aws.ToString(m.Status)
			joined = joined || aws.ToString(m.Domain) == w.directory.id && (status == "kerberos-enabled" || status == "joined")
		}
	}
	if !joined {
		v.blocked = fmt.Sprintf("the cluster %s is not there yet, or has not joined %s: run kerbagent bootstrap to completion on one "+
			"host first", id, w.directory.id)
		return v, nil
	}
	s.clusters.remember(c, nil)
	v.is = fmt.Sprintf("%s is Active, and the cluster %s has joined it", w.directory.id, id)
	return v, nil
}

func (s *observeStep) needs() []permission {
	out := []permission{watch("ds:DescribeDirectories", "*"), watch("rds:DescribeDBClusters", "*")}
	if d := s.directories.Config.Directory; d.ID == "" && !d.Adopt {
		out = append(out, watch("ds:ListTagsForResource", "*"))
	}
	return out
}
