package metrics

import "slices"

// Row is one metric: the collectors and docs/metrics.md are made of the same rows.
type Row struct {
	Name   string
	Type   string // one of the Type constants
	Labels []string
	Help   string
	Use    string // a PromQL query that shows what it is for
}

// The types of metrics.
const (
	TypeGauge     = "gauge"
	TypeCounter   = "counter"
	TypeHistogram = "histogram"
)

// The names, which the code asks for its collectors by.
const (
	buildInfo         = "kerbagent_build_info"
	reloadSuccessful  = "kerbagent_config_last_reload_successful"
	reloadTime        = "kerbagent_config_last_reload_success_timestamp_seconds"
	finding           = "kerbagent_finding"
	firstFinding      = "kerbagent_first_finding"
	probeSuccess      = "kerbagent_probe_success"
	probeLastRun      = "kerbagent_probe_last_run_timestamp_seconds"
	probeLastSuccess  = "kerbagent_probe_last_success_timestamp_seconds"
	probeFailures     = "kerbagent_probe_failures_total"
	kindFailures      = "kerbagent_probe_kind_failures_total"
	probeSkips        = "kerbagent_probe_skips_total"
	probeDuration     = "kerbagent_probe_duration_seconds"
	stageDuration     = "kerbagent_probe_stage_duration_seconds"
	clockSkew         = "kerbagent_kdc_clock_skew_seconds"
	loginSuccess      = "kerbagent_login_success"
	instanceLogin     = "kerbagent_instance_login_success"
	instanceWriter    = "kerbagent_instance_writer"
	instanceLag       = "kerbagent_instance_replica_lag_seconds"
	loginBreaker      = "kerbagent_login_breaker_open"
	passwordExpiry    = "kerbagent_password_expiry_timestamp_seconds"
	ticketExpiry      = "kerbagent_ticket_expiry_timestamp_seconds"
	certificateExpiry = "kerbagent_certificate_expiry_timestamp_seconds"
	unfinished        = "kerbagent_database_unfinished_handshakes"
	krb5confInSync    = "kerbagent_krb5conf_in_sync"
	krb5confChanges   = "kerbagent_krb5conf_changes_total"
)

// Table returns every metric of kerbagent's own, in the order of the docs.
func Table() []Row {
	where := []string{"probe", "target", "address", "transport", "family", "variant", "realm", "db_instance"}
	return slices.Concat([]Row{
		{finding, TypeGauge, []string{"code", "severity"},
			"Findings with this code and severity now: root causes, without their consequences. Every code at its worst severity is 0 from the start.",
			`kerbagent_finding{severity="error"} > 0`},
		{firstFinding, TypeGauge, []string{"code", "severity"},
			"1 for the first finding of this host now, its root cause: hosts that have the same one fail alike. Missing where nothing is found.",
			`sort_desc(count by (code) (kerbagent_first_finding))`},
		{loginSuccess, TypeGauge, []string{"user", "database"},
			"1 where the latest login that was tried went all the way to SELECT CURRENT_USER(), 0 where it failed. Also 0 while a login is paused because it was refused; otherwise unchanged while a login is paused.",
			`kerbagent_login_success == 0`},
		{instanceLogin, TypeGauge, []string{"user", "database", "db_instance"},
			"The same for the login at one instance of the database's cluster, which costs the account no attempt. Series go with the instance.",
			`kerbagent_instance_login_success == 0`},
		{instanceWriter, TypeGauge, []string{"database", "db_instance"},
			"1 for the writer of the database's cluster, 0 for its readers, as the cluster last listed them. A failover is where it changes. Series go with the instance.",
			`changes(kerbagent_instance_writer[1h]) > 0`},
		{instanceLag, TypeGauge, []string{"database", "db_instance"},
			"How far a reader of the database's cluster is behind its writer, as the reader told the latest login at it (REPLICA_LAG_IN_MILLISECONDS). Missing at the writer, and after a login there failed. Series go with the instance.",
			`kerbagent_instance_replica_lag_seconds > 1`},
		{loginBreaker, TypeGauge, []string{"user"},
			"1 while logins of this user are paused so that the account is not locked; ends when its secret changes.",
			`kerbagent_login_breaker_open == 1`},
		{passwordExpiry, TypeGauge, []string{"user"},
			"When the user's password ends, as its KDC said at the latest login, in seconds since 1970. Missing where no KDC says.",
			`kerbagent_password_expiry_timestamp_seconds - time() < 7 * 86400`},
		{ticketExpiry, TypeGauge, []string{"probe", "target"},
			"When a ticket that kerbagent found in a credential cache ends, in seconds since 1970. Tickets that it got itself are thrown away and not in here.",
			`kerbagent_ticket_expiry_timestamp_seconds - time() < 3600`},
		{probeSuccess, TypeGauge, where,
			"1 where the latest run of this probe was answered well, 0 where it was not. Missing before the first run, and while the question is not asked.",
			`kerbagent_probe_success{probe="kdc",transport="tcp"} == 0`},
		{probeFailures, TypeCounter, []string{"probe", "target", "reason"},
			"Failed runs by what was seen. Every reason that this kind of probe can give is 0 from the start.",
			`sum by (reason) (increase(kerbagent_probe_failures_total{probe="login"}[1h])) > 0`},
		{kindFailures, TypeCounter, []string{"probe"},
			"Failed runs by kind of probe; 0 from the start.",
			`increase(kerbagent_probe_kind_failures_total{probe="login"}[1h]) > 0`},
		{probeSkips, TypeCounter, []string{"probe", "target", "reason"},
			"Probes that were skipped, by reason: by lockout or max_connect_errors protection, or because there was nothing to ask.",
			`increase(kerbagent_probe_skips_total{reason="no-record"}[15m]) > 0`},
		{probeDuration, TypeHistogram, []string{"probe", "target"},
			"Duration of completed probes, including failed ones.",
			`histogram_quantile(0.99, sum by (le, target) (rate(kerbagent_probe_duration_seconds_bucket{probe="login"}[1h])))`},
		{stageDuration, TypeHistogram, []string{"probe", "target", "stage"},
			"Duration of each stage of a probe, including failed ones. Stages of a login overlap: the ticket is requested while the database connection is opened.",
			`sum by (stage) (rate(kerbagent_probe_stage_duration_seconds_sum{probe="login"}[1h])) / sum by (stage) (rate(kerbagent_probe_stage_duration_seconds_count{probe="login"}[1h]))`},
		{probeLastRun, TypeGauge, where,
			"When the latest run of this probe ended, asked or not, in seconds since 1970.",
			`time() - kerbagent_probe_last_run_timestamp_seconds > 900`},
		{probeLastSuccess, TypeGauge, where,
			"When this probe was last answered well, in seconds since 1970. Missing until it has been, since this process started.",
			`time() - kerbagent_probe_last_success_timestamp_seconds{probe="login"} > 1800`},
		{clockSkew, TypeGauge, []string{"kdc", "address"},
			"The KDC's clock minus this host's, as last measured; tickets stop at 300 either way.",
			`abs(kerbagent_kdc_clock_skew_seconds) > 60`},
		{certificateExpiry, TypeGauge, []string{"database"},
			"When the database's certificate ends, in seconds since 1970; the earliest where its addresses have several.",
			`kerbagent_certificate_expiry_timestamp_seconds - time() < 14 * 86400`},
		{unfinished, TypeGauge, []string{"database"},
			"Handshakes of kerbagent's own that stayed unfinished and that full logins have not made good yet. Probing pauses at a quarter of the database's max_connect_errors.",
			`kerbagent_database_unfinished_handshakes > 10`},
		{krb5confInSync, TypeGauge, nil,
			"1 where krb5.conf is what kerbagent would write, 0 where it is not. Missing where kerbagent does not keep the file.",
			`kerbagent_krb5conf_in_sync == 0`},
		{krb5confChanges, TypeCounter, nil,
			"Changes to krb5.conf that kerbagent asked for or saw done.",
			`increase(kerbagent_krb5conf_changes_total[1d]) > 3`},
		{reloadSuccessful, TypeGauge, nil,
			"1 where the latest load of kerbagent.yaml went well. At 0 the configuration before it stays in force.",
			`kerbagent_config_last_reload_successful == 0`},
		{reloadTime, TypeGauge, nil,
			"When kerbagent.yaml was last loaded well, in seconds since 1970.",
			`time() - kerbagent_config_last_reload_success_timestamp_seconds`},
		{buildInfo, TypeGauge, []string{"version", "goversion"},
			"Always 1, with kerbagent's version and that of Go.",
			`count by (version) (kerbagent_build_info)`},
	}, applicationRows(), awsRows())
}

// Lean returns how a metric differs at the lean level: its labels there, and what is
// different in words; empty where nothing is.
func (r Row) Lean() (labels []string, different string) {
	switch r.Name {
	case finding:
		return r.Labels, "only while it is there"
	case probeSuccess:
		return r.Labels, "of DNS one series a server and transport, the server's address as its target: 1 where every question was answered well"
	case probeLastRun, probeLastSuccess:
		return r.Labels, "of logins, and of each realm over all its KDCs (the realm is the target)"
	case probeFailures:
		return r.Labels, "a reason from its first failure on"
	case probeSkips:
		return []string{"probe"}, "by kind of probe"
	case probeDuration:
		return []string{"probe", "transport"}, "by kind of probe and transport, native"
	case stageDuration:
		return []string{"stage"}, "of logins alone, native"
	}
	return r.Labels, ""
}
