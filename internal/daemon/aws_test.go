package daemon

import (
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsview"
	"github.com/kerbagent/kerbagent/internal/bootstrap"
	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/internal/report"
)

// With aws.observe the daemon shows what AWS reports, reads it once in a quarter of an
// hour, however often it is started, and without it never asks.
func TestRunObservesAWS(t *testing.T) {
	c := awstest.New(awstest.Options{})
	d := c.AddDirectory(awstest.Directory{Name: "corp.example.com"})
	c.SetStage(d, "Impaired", "maintenance")
	if err := c.AddUser("observer", "AKIAOBSERVER", "secret", bootstrap.ReadPolicy(awsview.Actions())); err != nil {
		t.Fatal(err)
	}
	c.Start(t)
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": c.URL(), "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "AKIAOBSERVER", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": ""} {
		t.Setenv(k, v)
	}
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	state := filepath.Join(t.TempDir(), "state")
	start := func(t *testing.T, observe bool) *running {
		return startIn(t, w, state, func(o *Options, cfg *config.Config) {
			cfg.AWS, cfg.Logins = config.AWS{Observe: observe, Region: "us-east-1"}, nil
		})
	}
	t.Run("not by default", func(t *testing.T) {
		r := start(t, false)
		r.untilReady()
		if n := len(c.Calls()); n > 0 || strings.Contains(r.get("/metrics"), "kerbagent_aws_view") || strings.Contains(r.get("/api/v1/report"), `"aws"`) {
			t.Errorf("nobody asked for it, and AWS got %d calls", n)
		}
	})
	t.Run("an AWS that never answers holds nothing up", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		t.Setenv("AWS_ENDPOINT_URL", "http://"+l.Addr().String())
		r := start(t, true)
		r.until("the first round is over", func() bool { return strings.Contains(r.get("/api/v1/report"), `"verdict": "ok"`) })
	})
	t.Run("observed", func(t *testing.T) {
		r := start(t, true)
		r.until("the directory is impaired", r.has("aws-directory"))
		fitsSchema(t, r.get("/api/v1/report"))
		if page := r.get("/"); !strings.Contains(page, `data-part="aws"`) || !strings.Contains(page, "Impaired") {
			t.Error("the page has no section for it")
		}
		series := r.get("/metrics")
		for _, want := range []string{`kerbagent_aws_view_success{region="us-east-1"} 1`, `kerbagent_aws_view_timestamp_seconds{region="us-east-1"}`} {
			if !strings.Contains(series, want) {
				t.Errorf("no series %s", want)
			}
		}
		if strings.Contains(series, `probe="aws"`) {
			t.Error("AWS's view has the series of a probe")
		}
	})
	n := len(c.Calls())
	t.Run("started again", func(t *testing.T) {
		r := start(t, true)
		r.until("the directory is impaired", r.has("aws-directory"))
		if again := len(c.Calls()); again != n || n == 0 {
			t.Errorf("%d calls, and after a restart %d: a reading is kept", n, again)
		}
	})
}

// fitsSchema checks a report of the daemon with what AWS reports in it.
func fitsSchema(t *testing.T, js string) {
	t.Helper()
	var rep struct {
		Verdict string
		AWS     []struct{ Region string }
	}
	if err := json.Unmarshal([]byte(js), &rep); err != nil || rep.Verdict == "failed" || len(rep.AWS) != 1 || rep.AWS[0].Region != "us-east-1" {
		t.Errorf("%v: %+v", err, rep)
	}
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(string(report.Schema())))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("report.json", schema); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(js))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.MustCompile("report.json").Validate(doc); err != nil {
		t.Errorf("the report does not fit its schema: %v", err)
	}
}
