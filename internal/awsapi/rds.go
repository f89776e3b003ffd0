package awsapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	dstypes "github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// Calls of RDS and Directory Service.
type (
	DescribeDBClusters  = Call[rds.DescribeDBClustersInput, rds.DescribeDBClustersOutput, rds.Options]
	DescribeDBInstances = Call[rds.DescribeDBInstancesInput, rds.DescribeDBInstancesOutput, rds.Options]
	DescribeEvents      = Call[rds.DescribeEventsInput, rds.DescribeEventsOutput, rds.Options]
	DescribeDirectories = Call[directoryservice.DescribeDirectoriesInput, directoryservice.DescribeDirectoriesOutput,
		directoryservice.Options]
	DescribeDomainControllers = Call[directoryservice.DescribeDomainControllersInput, directoryservice.DescribeDomainControllersOutput,
		directoryservice.Options]
)

// maxPages and maxItems are how much of a list is read: with AWS's 100 items a page,
// far above what an account has of anything that is listed here.
const (
	maxPages = 50
	maxItems = 5000
)

// TooManyError reports that a list has more pages than are read.
type TooManyError struct{ What string }

// Error names the list.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("%s: AWS's list does not end within %d pages or %d items", e.What, maxPages, maxItems)
}

// pages reads a list to its end. A list that goes on, or in circles, is cut off with a
// *TooManyError, beside what was read of it.
func pages[T any](what string, page func(token *string) ([]T, *string, error)) ([]T, error) {
	var all []T
	var token *string
	for range maxPages {
		items, next, err := page(token)
		if err != nil {
			return all, fmt.Errorf("%s: %w", what, err)
		}
		all = append(all, items...)
		if aws.ToString(next) == "" {
			return all, nil
		}
		if len(all) > maxItems {
			break
		}
		token = next
	}
	return all, &TooManyError{what}
}

// Cluster reads a cluster; nil: there is none of that name.
func Cluster(ctx context.Context, describe DescribeDBClusters, id string) (*types.DBCluster, error) {
	out, err := describe(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String(id)})
	var none *types.DBClusterNotFoundFault
	switch {
	case errors.As(err, &none):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the cluster %s: %w", id, err)
	case len(out.DBClusters) != 1:
		return nil, nil
	}
	return &out.DBClusters[0], nil
}

// Clusters lists the clusters of an account in a Region.
func Clusters(ctx context.Context, describe DescribeDBClusters) ([]types.DBCluster, error) {
	return pages("listing the clusters", func(token *string) ([]types.DBCluster, *string, error) {
		out, err := describe(ctx, &rds.DescribeDBClustersInput{Marker: token})
		if err != nil {
			return nil, nil, err
		}
		return out.DBClusters, out.Marker, nil
	})
}

// Instance reads an instance; nil: there is none of that name.
func Instance(ctx context.Context, describe DescribeDBInstances, id string) (*types.DBInstance, error) {
	out, err := describe(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(id)})
	var none *types.DBInstanceNotFoundFault
	switch {
	case errors.As(err, &none):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the instance %s: %w", id, err)
	case len(out.DBInstances) != 1:
		return nil, nil
	}
	return &out.DBInstances[0], nil
}

// Instances lists the instances of a cluster.
func Instances(ctx context.Context, describe DescribeDBInstances, cluster string) ([]types.DBInstance, error) {
	return pages("reading the instances of "+cluster, func(token *string) ([]types.DBInstance, *string, error) {
		out, err := describe(ctx, &rds.DescribeDBInstancesInput{Marker: token,
			Filters: []types.Filter{{Name: aws.String("db-cluster-id"), Values: []string{cluster}}}})
		if err != nil {
			return nil, nil, err
		}
		return out.DBInstances, out.Marker, nil
	})
}

// Events lists what happened to a cluster or an instance within the last minutes, by
// AWS's clock. RDS keeps events for 14 days.
func Events(ctx context.Context, describe DescribeEvents, kind types.SourceType, id string, minutes int32) ([]types.Event, error) {
	return pages("reading the events of "+id, func(token *string) ([]types.Event, *string, error) {
		out, err := describe(ctx, &rds.DescribeEventsInput{SourceType: kind, SourceIdentifier: aws.String(id),
			Duration: aws.Int32(minutes), Marker: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Events, out.Marker, nil
	})
}

// Directories lists the directories of an account in a Region.
func Directories(ctx context.Context, describe DescribeDirectories) ([]dstypes.DirectoryDescription, error) {
	return pages("listing directories", func(token *string) ([]dstypes.DirectoryDescription, *string, error) {
		out, err := describe(ctx, &directoryservice.DescribeDirectoriesInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.DirectoryDescriptions, out.NextToken, nil
	})
}

// Controllers lists the domain controllers of a directory.
func Controllers(ctx context.Context, describe DescribeDomainControllers, id string) ([]dstypes.DomainController, error) {
	return pages("listing the domain controllers of "+id, func(token *string) ([]dstypes.DomainController, *string, error) {
		out, err := describe(ctx, &directoryservice.DescribeDomainControllersInput{DirectoryId: aws.String(id), NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.DomainControllers, out.NextToken, nil
	})
}
