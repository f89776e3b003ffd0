package explain

import (
	"github.com/kerbagent/kerbagent/probe"
)

// changed returns what is another between the last success of a probe and its first
// failure, in words: of what both have recorded. It is a hint for whoever looks
// for the cause, and decides nothing.
func changed(good, bad probe.Facts) (out []string) {
	for _, c := range []struct {
		fact probe.Fact
		what string
	}{
		{probe.FactConfigRead, "kerbagent's own configuration was changed and read at"},
		{probe.FactKrb5Written, "krb5.conf was written at"},
		{probe.FactSecretWritten, "the file with the secret was written at"},
		{probe.FactCertNotAfter, "the database has another certificate, which ends"},
		{probe.FactSecretKVNO, "key version (kvno) in the keytab"},
		{probe.FactAnswer, "DNS answer"},
		{probe.FactKDC, "KDC"},
		{probe.FactSPN, "service principal of the database"},
		{probe.FactVersion, "version of the database server"},
		{probe.FactServer, "instance of the database"},
	} {
		was, is := good[c.fact], bad[c.fact]
		switch {
		case was == "" || is == "" || was == is:
		case c.fact == probe.FactConfigRead || c.fact == probe.FactKrb5Written || c.fact == probe.FactSecretWritten ||
			c.fact == probe.FactCertNotAfter:
			out = append(out, c.what+" "+is)
		default:
			out = append(out, c.what+": "+was+" before, "+is+" now")
		}
	}
	return out
}
