package bootstrap

import (
	"cmp"
	"fmt"
	"strings"
)

// unrouted reports what AWS asks for where the other forest's DNS has addresses
// that are not private: a route to them. kerbagent makes none. The option that
// opens the directory's security group to everybody is not needed for it.
func (s *trustStep) unrouted() []string {
	var public, routes []string
	for _, a := range s.Config.Trust.DNSServers {
		if a.Is4() && !a.IsPrivate() {
			public, routes = append(public, a.String()), append(routes, "CidrIp="+a.String()+"/32")
		}
	}
	if len(public) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the DNS of %s has public addresses (%s): the directory must have a route to them (AddIpRoutes), which "+
		"kerbagent does not make. Whoever may, runs\n", s.Config.Trust.Domain, strings.Join(public, ", ")) +
		"  aws ds add-ip-routes --region " + s.region + " --directory-id " + cmp.Or(s.directory.id, "d-…") + " --ip-routes " +
		strings.Join(routes, " ")}
}

// otherSide reports what is left to be done in the other directory, as commands.
// They are made of configuration, but for the reason, which is AWS's text.
func (s *trustStep) otherSide(reason string) string {
	here, there := s.Config.Directory.Name, s.Config.Trust.Domain
	net, samba := "Inbound", "incoming"
	if s.Config.Trust.TwoWay {
		net, samba = "Bidirectional", "both"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the other half of the trust, in %s, is not made yet, or its password is another one", there)
	if reason != "" {
		fmt.Fprintf(&b, " (AWS says: %s)", plain(reason))
	}
	fmt.Fprintf(&b, `. An administrator of %[2]s does one of these; the password asked for is the one in %[3]s.
On a Windows domain controller of %[2]s, in PowerShell:
  Add-DnsServerConditionalForwarderZone -Name %[1]s -MasterServers %[4]s -ReplicationScope Forest
  $p = (Get-Credential -UserName trust -Message "trust password").GetNetworkCredential().Password
  [System.DirectoryServices.ActiveDirectory.Forest]::GetCurrentForest().CreateLocalSideOfTrustRelationship("%[1]s", "%[5]s", $p)
Then the names of %[1]s are to be routed over the trust: list them, and enable the one that is disabled. CAUTION: run the second
command only if the list shows the suffix as disabled; it disables one that is enabled.
  netdom trust %[2]s /namesuffixes:%[1]s
  netdom trust %[2]s /namesuffixes:%[1]s /togglesuffix:1
On a Samba domain controller of %[2]s (its DNS must forward %[1]s to %[4]s):
  samba-tool domain trust create %[1]s --type=forest --direction=%[6]s --create-location=local -U Administrator`,
		here, there, s.Config.Trust.Password, strings.ReplaceAll(addresses(s.directory.addresses), " ", ""), net, samba)
	if advice := trustAdvice(reason); advice != "" {
		b.WriteString("\n" + advice)
	}
	for _, note := range s.unrouted() {
		b.WriteString("\nAnd " + note)
	}
	return b.String()
}

// routing reports what a verified trust does not prove: AWS verifies it, and users of
// the other forest still get no ticket while its names are not routed.
func (s *trustStep) routing(selective bool) string {
	here, there := s.Config.Directory.Name, s.Config.Trust.Domain
	note := fmt.Sprintf("a trust is verified whether or not %[1]s routes the names of %[2]s over it, and without that its users get no "+
		"ticket. On a domain controller of %[1]s:\n  netdom trust %[1]s /namesuffixes:%[2]s", there, here)
	if selective {
		note += "\nWith selective authentication, users of " + there +
			" need the right \"Allowed to authenticate\" on the cluster's computer objects in " + here + ", too"
	}
	return note
}

// trustAdvice knows what Directory Service's reasons mean; they have no codes
// (AWS Directory Service Administration Guide, "Trust creation status reasons").
func trustAdvice(reason string) string {
	reason = strings.ToLower(reason)
	switch {
	case strings.Contains(reason, "access is denied"):
		return "As a rule the two halves have different passwords, or the other domain controllers refuse null sessions on netlogon, " +
			"lsarpc and samr."
	case strings.Contains(reason, "could not be contacted"):
		return "As a rule a firewall between the two is closed (TCP and UDP 53, 88, 389, TCP 445), or the conditional forwarder leads nowhere; " +
			"AWS may take some minutes to look again."
	case strings.Contains(reason, "could not be performed on this domain"):
		return "As a rule both domains have the same NetBIOS name: then no trust is possible."
	}
	return ""
}
