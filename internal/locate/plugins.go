package locate

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/sendto"
	"github.com/kerbagent/kerbagent/probe/dns"
)

// plugged reports whether libkrb5 loads a locator plugin: from the one folder that it was built with, whatever
// plugin_base_dir says (locate_kdc.c; measured with 1.20.1).
func plugged(root, name string) bool {
	plugins, _ := filepath.Glob(filepath.Join(root, "usr/lib*", "*", "krb5/plugins/libkrb5", name))
	more, _ := filepath.Glob(filepath.Join(root, "usr/lib*", "krb5/plugins/libkrb5", name))
	return len(plugins)+len(more) > 0
}

// kdcInfo reads the KDCs that SSSD has chosen, which its locator plugin gives to libkrb5 before the file is read
// (sssd_krb5_locator_plugin(8)). read reports whether the plugin has an answer, if only that there is none: an empty line
// ends the file. Measured with SSSD 2.8.2.
func kdcInfo(root, realm string) (kdcs []dns.Service, read bool) {
	if strings.ContainsRune(realm, filepath.Separator) || !plugged(root, "sssd_krb5_locator_plugin.so") {
		return nil, false
	}
	text, _, err := conf.Disk{}.ReadFile(filepath.Join(root, "var/lib/sss/pubconf/kdcinfo."+realm)) // SSSD's: a pipe there must not hang a login
	if err != nil || text == "" {
		return nil, false
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || len(kdcs) == mostKDCs {
			break
		}
		kdcs = append(kdcs, kdcInfoEntry(line))
	}
	return kdcs, true
}

// kdcInfoEntry reads "host", "host:port" or "[address]:port", as the plugin does: an IPv6 address without brackets is taken for a
// host with a port, whose name nobody has; what is no port is 88.
func kdcInfoEntry(line string) dns.Service {
	name, port := line, ""
	if i := strings.LastIndexByte(line, ':'); i >= 0 && !strings.HasSuffix(line, "]") {
		name, port = line[:i], line[i+1:]
	}
	s := dns.Service{Host: strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), Port: 88}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
		s.Port = uint16(n)
	}
	if a, err := netip.ParseAddr(s.Host); err == nil && a.Is6() && !strings.HasPrefix(name, "[") {
		s.Host = net.JoinHostPort(s.Host, port)
	}
	return s
}

// chosen takes over what SSSD has chosen. all reports that libkrb5 asks no others: where a name among them has
// no address, it goes on to the file after those before it, of which it then has the entries for UDP alone.
func (p *Programs) chosen(ctx context.Context, f *found, realm string) (all bool) {
	entries, read := kdcInfo(p.Root, realm)
	if !read {
		return false
	}
	all = true
	var answers []host.Answer
	for _, s := range entries {
		a := p.resolve(ctx, f, s.Host)
		if a.Err != nil {
			f.passed, all = append(f.passed, fmt.Sprintf("SSSD's kdcinfo.%s: %s: no address", realm, s.Host)), false
			break
		}
		answers = append(answers, a)
	}
	for _, t := range []string{sendto.UDP, sendto.TCP} { // the plugin is asked for each (locate_kdc.c)
		for i, a := range answers {
			if s := entries[i]; t == sendto.UDP || all {
				s.Transport = t
				p.take(f, s, a, nil)
			}
		}
	}
	if all && len(f.addrs) == 0 {
		f.lack = fmt.Errorf("SSSD's file kdcinfo.%s names none", realm)
	}
	return all
}

// nameWinbind names what is not read: the KDCs that winbindd chooses, where libkrb5 asks it (winbind_krb5_locator(8)).
func (p *Programs) nameWinbind(f *found, realm string) {
	if !plugged(p.Root, "winbind_krb5_locator.so") {
		return
	}
	for _, pipe := range []string{"run/samba/winbindd/pipe", "var/run/samba/winbindd/pipe"} {
		if at, _ := filepath.Glob(filepath.Join(p.Root, pipe)); len(at) > 0 {
			f.passed = append(f.passed, "winbindd: programs may ask the KDC of "+realm+" that it has chosen (winbind_krb5_locator.so), which is not read")
			return
		}
	}
}
