package dns

import (
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// BenchmarkProbe measures this end and the test's server, which are in one process.
func BenchmarkProbe(b *testing.B) {
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
		b.Run(string(transport), func(b *testing.B) {
			server := serve(b, transport, raw(func(good []byte) []byte { return good }))
			b.ReportAllocs()
			p := probeOf(server, transport, srv)
			for b.Loop() {
				if res := run(p); res.Outcome != probe.OK {
					b.Fatal(res.Err)
				}
			}
		})
	}
}
