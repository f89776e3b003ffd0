package metrics

import "github.com/kerbagent/kerbagent/probe"

const (
	awsSuccess = "kerbagent_aws_view_success"
	awsTime    = "kerbagent_aws_view_timestamp_seconds"
)

func awsRows() []Row {
	return []Row{
		{awsSuccess, TypeGauge, []string{"region"},
			"1 where the latest reading of what AWS reports saw something, 0 where it saw nothing. Missing unless aws.observe is set.",
			`kerbagent_aws_view_success == 0`},
		{awsTime, TypeGauge, []string{"region"},
			"When that reading was made, in seconds since 1970. Missing unless aws.observe is set.",
			`time() - kerbagent_aws_view_timestamp_seconds > 3600`},
	}
}

// AWS sets what is known of the readings of AWS; nil: nobody reads it. Regions are
// words of the configuration.
func (m *Metrics) AWS(seen []probe.Result) {
	m.gauges[awsSuccess].Reset()
	m.gauges[awsTime].Reset()
	for _, r := range seen {
		if r.ID.Variant == "" {
			m.gauges[awsSuccess].WithLabelValues(safe(r.ID.Target)).Set(number(r.Outcome == probe.OK))
			m.gauges[awsTime].WithLabelValues(safe(r.ID.Target)).Set(seconds(r.Started))
		}
	}
}
