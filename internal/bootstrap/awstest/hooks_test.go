package awstest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
)

func TestCallsAreToldBeforeAndAfter(t *testing.T) {
	var c *Cloud
	var told []int // directories there were at each telling
	c = world(t, Options{OnCall: func(k Call, after bool) {
		if k.Action == "CreateMicrosoftAD" && after == (len(told) == 1) {
			told = append(told, len(c.Directories()))
		}
	}})
	must[*directoryservice.CreateMicrosoftADOutput](t)(admin(c).ds.CreateMicrosoftAD(t.Context(), directoryInput()))
	if !slices.Equal(told, []int{0, 1}) {
		t.Errorf("directories before and after: %v, want [0 1]", told)
	}
}

func TestSomethingRealStandsBehind(t *testing.T) {
	c := world(t, Options{
		OnDirectoryActive: func(d Directory) []string { return []string{"127.0.0.53", "127.0.0.54"} },
		OnEndpoint:        func(e Endpoint) (string, int) { return e.Cluster + e.Instance + ".lab", 3307 },
		OnVerifyTrust:     func(Trust) error { return errors.New("the lab says no") },
	})
	k := admin(c)
	id := must[*directoryservice.CreateMicrosoftADOutput](t)(k.ds.CreateMicrosoftAD(t.Context(), directoryInput())).DirectoryId
	c.Advance(time.Hour)
	if got := c.Directories()[0].DNS; !slices.Equal(got, []string{"127.0.0.53", "127.0.0.54"}) {
		t.Errorf("DNS addresses %v", got)
	}
	openEgress(t, k, c.Directories()[0].SecurityGroup)
	must[*directoryservice.CreateTrustOutput](t)(k.ds.CreateTrust(t.Context(), &directoryservice.CreateTrustInput{DirectoryId: id, RemoteDomainName: ptr("onprem.local"), TrustPassword: ptr("x"),
		TrustDirection: types.TrustDirectionTwoWay, ConditionalForwarderIpAddrs: []string{"192.0.2.53"}}))
	c.Advance(time.Hour)
	if got := c.Trusts()[0]; got.State != "VerifyFailed" || got.Reason != "the lab says no" {
		t.Errorf("trust %s %q", got.State, got.Reason)
	}
	c.AddCluster(Cluster{ID: "orders", SubnetGroup: "dbs"}, "orders-1")
	out := must[*rds.DescribeDBInstancesOutput](t)(k.rds.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{})).DBInstances[0]
	if *out.Endpoint.Address != "ordersorders-1.lab" || *out.Endpoint.Port != 3307 {
		t.Errorf("endpoint %s:%d", *out.Endpoint.Address, *out.Endpoint.Port)
	}
}

func TestUnknownIsRefused(t *testing.T) {
	c := world(t, Options{})
	c.AddCluster(Cluster{ID: "orders", SubnetGroup: "dbs"}, "orders-1")
	k := admin(c)
	if _, err := k.rds.ModifyDBCluster(t.Context(), &rds.ModifyDBClusterInput{DBClusterIdentifier: ptr("orders"), Port: ptr(int32(3307))}); code(err) != "InvalidParameterValue" {
		t.Errorf("a parameter that nobody read: %v", err)
	}
	if _, err := k.rds.DeleteDBCluster(t.Context(), &rds.DeleteDBClusterInput{DBClusterIdentifier: ptr("orders")}); code(err) != "InvalidAction" {
		t.Errorf("an action that the cloud has not: %v", err)
	}
	in := directoryInput()
	in.NetworkType = types.NetworkTypeIpv4Only
	if _, err := k.ds.CreateMicrosoftAD(t.Context(), in); err != nil {
		t.Errorf("a member that it knows: %v", err)
	}
}

func TestChina(t *testing.T) {
	c := world(t, Options{Partition: "aws-cn", Region: "cn-north-1"})
	c.AddCluster(Cluster{ID: "orders", SubnetGroup: "dbs"}, "orders-1")
	if got := c.Instances()[0].Host; got != "orders-1.abc123def456.rds.cn-north-1.amazonaws.com.cn" {
		t.Errorf("endpoint %s", got)
	}
	// These clients sign for us-east-1.
	if _, err := admin(c).rds.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{}); code(err) != "SignatureDoesNotMatch" {
		t.Errorf("a signature for another Region: %v", err)
	}
}
