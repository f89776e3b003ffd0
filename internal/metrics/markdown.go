package metrics

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// Markdown is docs/metrics.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`<!-- Made of the table in internal/metrics by "go generate ./internal/metrics". Do not edit. -->

# Metrics

` + "`kerbagent run`" + ` serves these at ` + "`/metrics`" + ` (text, OpenMetrics, and protobuf with native histograms). A scrape reads what the
last runs left; it never resolves or dials. A page serves everybody who asks within a second.

| metric | type | labels | |
| --- | --- | --- | --- |
`)
	for _, r := range Table() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Name, r.Type, code(r.Labels), r.Help)
	}
	b.WriteString(`
## Two levels

` + "`kerbagent run --metrics lean`" + ` is the default: at most 200 series a host in the usual set-up (a realm with two controllers and a trusted realm with one, IPv4 and IPv6, one
database, three logins), a native histogram counted as one. ` + "`--metrics full`" + ` has every metric as the table above has it, about ` + fmt.Sprint(typicalSeries) + ` series. At the lean level these differ:

| metric | labels | |
| --- | --- | --- |
`)
	for _, r := range Table() {
		if labels, different := r.Lean(); different != "" {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Name, code(labels), different)
		}
	}
	b.WriteString(`
Lean histograms are native only. A Prometheus that does not take native histograms has their sums and counts, and the dashboards then show means alone;
` + "`--metrics-classic`" + ` adds the classic buckets, about 100 series more.

Beside them: the usual ` + "`process_*`, and of `go_*`" + ` what tells of a leak (goroutines, threads, the heap's live objects, garbage collection).

## A question for each

| metric | for instance |
| --- | --- |
`)
	for _, r := range Table() {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", r.Name, strings.ReplaceAll(r.Use, "|", `\|`))
	}
	b.WriteString(`
## Labels

| label | what it holds |
| --- | --- |
| ` + "`probe`" + ` | ` + code(words(probe.Rungs())) + ` |
| ` + "`target`" + ` | the host asked, by its name; of ` + "`dns`" + ` the question (` + "`SRV:_kerberos._tcp.corp.example.com`" + `, the server is the address); of ` + "`login`" + ` ` + "`user@REALM@database`" + `; of ` + "`krb5conf`" + ` the file |
| ` + "`address`, `transport`, `family`" + ` | address and port, ` + "`udp` or `tcp`, `ipv4` or `ipv6`" + `; empty where a probe has none |
| ` + "`realm`" + ` | of ` + "`dns`, `kdc` and `kpasswd`" + ` the realm that is asked for; else empty |
| ` + "`variant`" + ` | ` + "`large`" + ` for a KDC's second question, with a message larger than a packet; else empty |
| ` + "`reason`" + ` | what was seen, below |
| ` + "`stage`" + ` | a step of the probe, as in ` + "`results[].stages`" + ` of the report |
| ` + "`code`, `severity`" + ` | as ` + "`kerbagent explain --all`" + ` lists them |
| ` + "`user`, `database`" + ` | ` + "`user@REALM`" + ` and the database's name, as configured |
| ` + "`kdc`" + ` | the KDC's name; several addresses may stand behind one |
| ` + "`application`" + ` | the systemd unit, as configured under ` + "`applications:`" + ` |
| ` + "`region`" + ` | the AWS Region, of a database's name or as configured |

What a peer says never becomes a label. With user names turned off, users are ` + "`user-1`, `user-2`, …" + ` in the order of the configuration, in
` + "`user`" + ` and in a login's ` + "`target`" + ` (` + "`user-1@orders`" + `). The series of a target go with it.

## Histograms

At the full level both histograms are native, of schema ` + fmt.Sprint(nativeSchema) + ` (each bucket ends 9 % above the one before), where Prometheus asks for that
(` + "`scrape_native_histograms`" + `), and classic for those that do not. The classic buckets end at: ` + ends() + ` seconds. They are few
because each costs a series: within a rack, within a region, between regions, slow, other clients begin to retry, timed out.

## How many series

At the full level a host with two realms, four domain controllers, one database and two logins has about ` + fmt.Sprint(typicalSeries) + `, of which most are classic buckets of
` + "`kerbagent_probe_stage_duration_seconds`" + ` and reasons at 0. A large fleet may want to keep those of the logins alone:

` + "```yaml" + `
metric_relabel_configs:
  - source_labels: [__name__, probe]
    regex: kerbagent_probe_stage_duration_seconds.*;(dns|kdc|kpasswd|database|krb5conf)
    action: drop
` + "```" + `

## Reasons

| probe | ` + "`kerbagent_probe_failures_total`" + ` | ` + "`kerbagent_probe_skips_total`" + ` |
| --- | --- | --- |
`)
	for _, k := range probe.Rungs() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k, code(words(reasonsOf(k))), code(words(skipsOf(k))))
	}
	return b.String()
}

// typicalSeries is about what the host has that the docs speak of.
const typicalSeries = 1800

func words[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, w := range in {
		out[i] = string(w)
	}
	slices.Sort(out)
	return out
}

func code(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(words, "`, `") + "`"
}

func ends() string {
	var s []string
	for _, b := range bounds() {
		s = append(s, fmt.Sprint(b))
	}
	return strings.Join(s, ", ")
}
