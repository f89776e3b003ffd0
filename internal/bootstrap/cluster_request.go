package bootstrap

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// engineName is the only engine that this is about.
const engineName = "aurora-mysql"

// noExtendedSupport leaves RDS Extended Support, which is on otherwise.
const noExtendedSupport = "open-source-rds-extended-support-disabled"

// form is the request as RDS's query protocol has it. It names no port: one that
// changes later breaks Kerberos.
func (c newCluster) form() url.Values {
	f := url.Values{"Action": {"CreateDBCluster"}, "Version": {"2014-10-31"}, "Engine": {engineName}, "StorageEncrypted": {"true"},
		"DBClusterIdentifier": {c.id}, "EngineVersion": {c.version}, "DBSubnetGroupName": {c.subnetGroup},
		"Domain": {c.domain}, "DomainIAMRoleName": {c.role}, "MasterUsername": {c.primary}}
	if b := c.password.Reveal(); len(b) > 0 {
		f.Set("MasterUserPassword", string(b))
	} else {
		f.Set("ManageMasterUserPassword", "true")
	}
	for key, value := range map[string]string{"DBClusterParameterGroupName": c.parameterGroup, "KmsKeyId": c.kmsKey,
		"ServerlessV2ScalingConfiguration.MinCapacity": c.least, "ServerlessV2ScalingConfiguration.MaxCapacity": c.most} {
		if value != "" {
			f.Set(key, value)
		}
	}
	if c.backupDays > 0 {
		f.Set("BackupRetentionPeriod", strconv.Itoa(c.backupDays))
	}
	if c.protect {
		f.Set("DeletionProtection", "true")
	}
	if c.noExtended {
		f.Set("EngineLifecycleSupport", noExtendedSupport)
	}
	for i, g := range c.groups {
		f.Set("VpcSecurityGroupIds.VpcSecurityGroupId."+strconv.Itoa(i+1), g)
	}
	n := 0
	for key, value := range c.tags {
		n++
		f.Set("Tags.Tag."+strconv.Itoa(n)+".Key", key)
		f.Set("Tags.Tag."+strconv.Itoa(n)+".Value", value)
	}
	return f
}

// createDBCluster is CreateDBCluster on the wire, with the SDK's endpoint,
// credentials, signature and retries. The SDK's own operation can copy from
// another Region, which takes a presigning client, and that one brings all of
// RDS into the binary: 7 MB. So another operation's middleware carries it.
func createDBCluster(describe call[rds.DescribeDBClustersInput, rds.DescribeDBClustersOutput, rds.Options]) func(context.Context,
	newCluster) error {
	return func(ctx context.Context, c newCluster) error {
		body := []byte(c.form().Encode())
		_, err := describe(ctx, &rds.DescribeDBClustersInput{}, func(o *rds.Options) {
			o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
				if _, err := stack.Serialize.Swap("OperationSerializer", formSerializer{body}); err != nil {
					return err
				}
				_, err := stack.Deserialize.Swap("OperationDeserializer", formDeserializer{})
				return err
			})
		})
		if err != nil {
			return &smithy.OperationError{ServiceID: "RDS", OperationName: "CreateDBCluster", Err: err}
		}
		return nil
	}
}

type formSerializer struct{ body []byte }

// ID is that of the middleware whose place it takes.
func (formSerializer) ID() string { return "OperationSerializer" }

// HandleSerialize writes the form.
func (s formSerializer) HandleSerialize(ctx context.Context, in middleware.SerializeInput,
	next middleware.SerializeHandler) (out middleware.SerializeOutput, md middleware.Metadata, err error) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return out, md, &smithy.SerializationError{Err: fmt.Errorf("a request of type %T", in.Request)}
	}
	req.Method, req.URL.Path = "POST", "/"
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if req, err = req.SetStream(bytes.NewReader(s.body)); err != nil {
		return out, md, &smithy.SerializationError{Err: err}
	}
	in.Request = req
	return next.HandleSerialize(ctx, in)
}

type formDeserializer struct{}

// ID is that of the middleware whose place it takes.
func (formDeserializer) ID() string { return "OperationDeserializer" }

// HandleDeserialize reads an error; of a success nothing is needed, since the
// cluster is looked at next.
func (formDeserializer) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput,
	next middleware.DeserializeHandler) (out middleware.DeserializeOutput, md middleware.Metadata, err error) {
	out, md, err = next.HandleDeserialize(ctx, in)
	if err != nil {
		return out, md, err
	}
	resp, ok := out.RawResponse.(*smithyhttp.Response)
	if !ok {
		return out, md, &smithy.DeserializationError{Err: fmt.Errorf("an answer of type %T", out.RawResponse)}
	}
	out.Result = &rds.DescribeDBClustersOutput{}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return out, md, &smithy.DeserializationError{Err: err}
	}
	if resp.StatusCode < 300 {
		return out, md, nil
	}
	var answer struct {
		Error struct{ Code, Message string }
	}
	if err := xml.Unmarshal(b, &answer); err != nil || answer.Error.Code == "" {
		return out, md, &smithy.DeserializationError{Err: fmt.Errorf("an error that is no error of RDS, status %d", resp.StatusCode)}
	}
	return out, md, &smithy.GenericAPIError{Code: answer.Error.Code, Message: answer.Error.Message}
}
