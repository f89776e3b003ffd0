package site

import (
	"slices"
	"strings"
)

// rdsSuffix returns the part of an Amazon RDS endpoint, given in lower case, that
// covers databases and nothing else, with its leading dot: what starts at the
// label rds. The name of a database is in front of it in every partition:
//
//	x.hash.REGION.rds.amazonaws.com        aws, and older forms elsewhere
//	x.hash.rds.REGION.amazonaws.com.cn     aws-cn, aws-us-gov, the isolated ones
func rdsSuffix(host string) (string, bool) {
	labels := strings.Split(host, ".")
	i := slices.Index(labels, "rds")
	if i < 2 || i == len(labels)-1 {
		return "", false
	}
	rest := strings.Join(labels[i+1:], ".")
	for _, suffix := range rdsDomains() {
		if rest == suffix || strings.HasSuffix(rest, "."+suffix) && strings.Count(rest, ".") == strings.Count(suffix, ".")+1 {
			return ".rds." + rest, true
		}
	}
	return "", false
}

// rdsDomains are the DNS suffixes of the partitions.
func rdsDomains() []string {
	return []string{"amazonaws.com", "amazonaws.com.cn", "c2s.ic.gov", "sc2s.sgov.gov", "cloud.adc-e.uk", "csp.hci.ic.gov", "amazonaws.eu"}
}

// rdsTwin returns the other form of a suffix that endpoints of the same
// partition and region may have, or "". The commercial partition has one form
// only.
func rdsTwin(host, suffix string) string {
	rest := strings.TrimPrefix(suffix, ".rds.")
	for _, domain := range rdsDomains() {
		if rest != domain {
			if region, ok := strings.CutSuffix(rest, "."+domain); ok && !strings.Contains(region, ".") {
				return ".rds." + domain
			}
			continue
		}
		front := strings.TrimSuffix(host, suffix)
		region := front[strings.LastIndexByte(front, '.')+1:]
		if strings.HasPrefix(region, "us-gov-") || domain != "amazonaws.com" {
			return ".rds." + region + "." + domain
		}
	}
	return ""
}

// mappingLine is a line of [domain_realm] as it is generated.
type MappingLine struct {
	Domain, Realm string
	Why           string // the reason, for a comment; empty where the line needs none
}

// mappingLines plans [domain_realm]: the realms' own domains, then what the
// databases need beyond them.
func (s *Site) mappingLines() []MappingLine {
	var lines []MappingLine
	for _, r := range s.Realms {
		lines = append(lines, MappingLine{"." + r.DNSDomain(), r.Name, ""}, MappingLine{r.DNSDomain(), r.Name, ""})
	}
	for _, d := range s.Databases {
		for _, m := range s.MappingsOf(d) {
			if !slices.ContainsFunc(lines, func(o MappingLine) bool { return o.Domain == m.Domain }) {
				lines = append(lines, m)
			}
		}
	}
	return lines
}

// mappingsOf returns the lines that one database needs; none where the domain
// of its realm covers it, or where it is named by address, which no library
// maps.
func (s *Site) MappingsOf(d Database) []MappingLine {
	host := d.LookupName()
	if IsAddr(host) || s.realmByDomain(host) == d.Realm {
		return nil
	}
	exact := []MappingLine{{host, d.Realm, "A database with a name outside of its realm's domain."}}
	suffix, ok := rdsSuffix(host)
	if !ok {
		return exact
	}
	if s.shared(suffix, d.Realm) {
		exact[0].Why = "Databases of several realms share this domain, so each is named."
		return exact
	}
	lines := []MappingLine{{suffix, d.Realm, "Endpoints of Amazon RDS. Nothing wider: other services of AWS are not in this realm."}}
	if twin := rdsTwin(host, suffix); twin != "" && !s.shared(twin, d.Realm) {
		lines = append(lines, MappingLine{twin, d.Realm, ""})
	}
	return lines
}

// realmByDomain returns the realm whose domain is the longest that covers a host.
func (s *Site) realmByDomain(host string) string {
	var best Realm
	for _, r := range s.Realms {
		covers := host == r.DNSDomain() || strings.HasSuffix(host, "."+r.DNSDomain())
		if covers && (best.Name == "" || len(r.DNSDomain()) > len(best.DNSDomain())) {
			best = r
		}
	}
	return best.Name
}

// shared reports whether a database of another realm is under a suffix.
func (s *Site) shared(suffix, realm string) bool {
	return slices.ContainsFunc(s.Databases, func(d Database) bool {
		return d.Realm != realm && strings.HasSuffix(d.LookupName(), suffix)
	})
}
