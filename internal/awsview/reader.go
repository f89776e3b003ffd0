package awsview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// Limits of a reading.
const (
	attempts    = 3 // of a call that AWS throttles: a reading is not worth more
	patience    = 5 * time.Second
	maxResponse = 8 << 20 // of one page; AWS's are some 100 kB
	maxRequests = 200     // a cluster of 15 instances is some 25
)

// Actions returns what a reading needs to be allowed; none of them changes anything.
func Actions() []string {
	return []string{"ds:DescribeDirectories", "ds:DescribeDomainControllers", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups",
		"ec2:DescribeVpcs", "rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:DescribeEvents"}
}

// Reader reads AWS for one configuration.
type Reader struct {
	Config    *config.Config
	Now       func() time.Time
	Addresses func() []netip.Addr // of this host
	// Load finds credentials; nil: as every AWS tool does.
	Load func(ctx context.Context, region, profile string) (aws.Config, error)
}

// Read asks each Region of the databases, side by side. It ends with ctx, and what was
// not read by then is said.
func (r Reader) Read(ctx context.Context) []View {
	regions := r.regions()
	views := make([]View, len(regions))
	var all sync.WaitGroup
	for i, region := range regions {
		all.Go(func() { views[i] = r.readRegion(ctx, region) })
	}
	all.Wait()
	return views
}

// regions returns the Regions of the databases; "" where a name tells none and none is
// configured.
func (r Reader) regions() []string {
	var out []string
	for _, db := range r.databases() {
		if region := r.regionOf(db); !slices.Contains(out, region) && len(out) < maxRegions {
			out = append(out, region)
		}
	}
	if len(out) == 0 {
		out = append(out, r.Config.AWS.Region)
	}
	return out
}

func (r Reader) databases() []config.Database {
	return r.Config.Databases[:min(len(r.Config.Databases), maxDatabases)]
}

func (r Reader) regionOf(db config.Database) string {
	if _, region, ok := db.RDSName(); ok && region != "" {
		return region
	}
	return r.Config.AWS.Region
}

// reading is the reading of one Region.
type reading struct {
	Reader
	view    *View
	stopped bool // AWS is not asked further

	clusters    awsapi.DescribeDBClusters
	instances   awsapi.DescribeDBInstances
	events      awsapi.DescribeEvents
	directories awsapi.DescribeDirectories
	controllers awsapi.DescribeDomainControllers
	groups      awsapi.DescribeSecurityGroups
	vpcs        awsapi.DescribeVpcs
	interfaces  awsapi.DescribeNetworkInterfaces
}

func (r Reader) readRegion(ctx context.Context, region string) View {
	v := View{Region: region, Read: r.Now()}
	if region == "" {
		v.Refused = "no AWS Region is known: the databases' names tell none"
		v.Next = "set aws: {region: …} in kerbagent.yaml"
		return v
	}
	load := r.Load
	if load == nil {
		load = func(ctx context.Context, region, profile string) (aws.Config, error) {
			return awsapi.Load(ctx, region, profile, nil)
		}
	}
	cfg, err := load(ctx, region, r.Config.AWS.Profile)
	if err != nil {
		v.Refused = "the AWS configuration of this host cannot be used: " + bounded(err.Error())
		v.Next = "correct the profile, or the AWS configuration"
		return v
	}
	cfg = awsapi.Careful(cfg, attempts, patience)
	cfg.HTTPClient = &limited{HTTPClient: cfg.HTTPClient}
	ds, db, net := directoryservice.NewFromConfig(cfg), rds.NewFromConfig(cfg), ec2.NewFromConfig(cfg)
	one := &reading{Reader: r, view: &v, clusters: db.DescribeDBClusters, instances: db.DescribeDBInstances, events: db.DescribeEvents,
		directories: ds.DescribeDirectories, controllers: ds.DescribeDomainControllers, groups: net.DescribeSecurityGroups,
		vpcs: net.DescribeVpcs, interfaces: net.DescribeNetworkInterfaces}
	one.read(ctx)
	if v.Refused == "" && len(v.Clusters) == 0 && len(v.Directories) == 0 && len(v.Notes) > 0 {
		v.Refused = "nothing was seen: " + v.Notes[0]
	}
	return v
}

func (r *reading) read(ctx context.Context) {
	for _, db := range r.databases() {
		if r.regionOf(db) != r.view.Region || r.stopped {
			continue
		}
		if c, ok := r.cluster(ctx, db); ok {
			r.view.Clusters = append(r.view.Clusters, c)
		}
	}
	r.readDirectories(ctx)
	r.ways(ctx)
}

// failed takes note of an error, and reports whether there was one. After one that the
// next call would meet too, AWS is not asked further.
func (r *reading) failed(err error) bool {
	var many *awsapi.TooManyError
	switch {
	case err == nil:
		return false
	case errors.As(err, &many): // what was read of it is used
		r.view.note(err.Error())
		return false
	case r.stopped:
		return true
	}
	r.view.Partial = true
	switch {
	case awsapi.NoCredentials(err):
		t := awsapi.CredentialTrouble(err, r.Now(), r.view.Region)
		r.view.Refused, r.view.Next, r.stopped = bounded(t.Text), t.Next, true
	case awsapi.Throttled(err):
		r.view.note("AWS refuses for the number of requests to the account: " + awsapi.Text(err))
		r.stopped = true
	case slices.Contains(awsapi.DeniedCodes(), awsapi.Code(err)):
		action, _ := awsapi.Missing(err)
		r.view.note("the permission " + action + " is missing")
	case errors.Is(err, errBudget):
		r.view.note("not all clusters were read: " + errBudget.Error())
		r.view.Partial, r.stopped = false, true // the next would see no more
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		what := "AWS did not answer"
		if strings.Contains(err.Error(), "get identity") { // the SDK's words for its search for credentials
			what = "no AWS credentials were found"
		}
		r.view.note(what + " within the time that it is given")
		r.stopped = true
	default:
		if where, why := awsapi.Unsent(err); why != "" {
			r.view.note(fmt.Sprintf("AWS (%s) is not reachable from this host: %s", where, why))
			r.stopped = true
			return true
		}
		r.view.note(awsapi.Text(err))
	}
	return true
}

// errBudget is why no more is asked.
var errBudget = fmt.Errorf("a reading is at most %d requests", maxRequests)

// limited cuts off answers that are longer than any of AWS's, and requests beyond a
// reading's number.
type limited struct {
	aws.HTTPClient
	sent atomic.Int32
}

// Do sends a request.
func (l *limited) Do(req *http.Request) (*http.Response, error) {
	if l.sent.Add(1) > maxRequests {
		return nil, errBudget
	}
	// The SDK closes what it sends as soon as an answer begins. Where that comes sooner than the
	// end of the request is noticed, net/http takes it for an error of the connection, and the answer is lost.
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	res, err := l.HTTPClient.Do(req)
	if res != nil && res.Body != nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxResponse), res.Body}
	}
	return res, err
}

// mentions reports whether a text of an event is about the directory. What RDS writes
// when a cluster joins is documented nowhere that was found.
func mentions(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "kerberos") || strings.Contains(text, "directory") || strings.Contains(text, "domain")
}
