//go:build systemd

package systemd

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
)

// A unit with a /tmp of its own does not see the ticket in the host's: the audit says
// so first, and the remedy mends it. Whether it sees one is what MIT's library says.
func TestTicketThatPrivateTmpHides(t *testing.T) {
	labtest.Up(t)
	h := newHost(t)
	t.Cleanup(func() {
		h.try("systemctl stop orders.service; rm -rf /etc/systemd/system/orders.service /run/orders /run/orders.saw /tmp/krb5cc_orders; systemctl daemon-reload")
	})
	h.configure(fmt.Sprintf("realms: {CORP.EXAMPLE.COM: {dns_servers: [%s]}}\ndatabases: {orders: {endpoint: %s}}\n", labtest.DC1, labtest.Endpoint))
	h.put("etc/krb5.conf", h.read("/etc/krb5.conf"), 0o644)

	starts := func(cache string) (saw string, codes []string) {
		t.Helper()
		ticket := filepath.Join(t.TempDir(), "ticket")
		if out, err := exec.Command("kinit", "-c", ticket, "-k", "-t", labtest.Keytab("alice"), user).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// The container's /tmp and /run are file systems of its own.
		h.put("root/ticket", h.read(ticket), 0o600)
		h.sd("mv", "/root/ticket", cache)
		h.put("etc/systemd/system/orders.service", "[Service]\nPrivateTmp=yes\nEnvironment=KRB5CCNAME=FILE:"+cache+`
ExecStart=/usr/bin/python3 -c "import ctypes, time; c = ctypes.c_void_p(); m = ctypes.c_uint(); \
g = ctypes.CDLL('libgssapi_krb5.so.2'); s = g.gss_acquire_cred(ctypes.byref(m), None, 0, None, 1, ctypes.byref(c), None, None); \
open('/run/orders.saw', 'w').write(str(s & 0xffffffff)); time.sleep(600)"
`, 0o644)
		h.sd("sh", "-c", "rm -f /run/orders.saw; systemctl daemon-reload; systemctl restart orders.service")
		h.eventually(20*time.Second, "the program has looked for its ticket", func() bool {
			saw, _ = h.try("cat /run/orders.saw")
			return saw != "" && !strings.Contains(saw, "No such file")
		})
		out, _ := h.try("kerbagent audit --unit orders.service -o json 2>/dev/null")
		var r struct {
			Findings []struct{ Code, Severity string }
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, f := range r.Findings {
			codes = append(codes, f.Code)
		}
		return saw, codes
	}
	const noCred = "458752" // GSS_S_NO_CRED (RFC 2744 §3.9.1)
	if saw, codes := starts("/tmp/krb5cc_orders"); saw != noCred || len(codes) == 0 || codes[0] != "app-private-tmp" {
		t.Errorf("in the host's /tmp: the library says %s, the audit %v", saw, codes)
	}
	h.sd("mkdir", "-p", "/run/orders")
	if saw, codes := starts("/run/orders/krb5cc"); saw != "0" || len(codes) > 0 {
		t.Errorf("below /run: the library says %s, the audit %v", saw, codes)
	}
}
