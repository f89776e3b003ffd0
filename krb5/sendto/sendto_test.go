package sendto

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

var (
	seed  = flag.Uint64("seed", 1, "of the drawn realms")
	cases = flag.Int("cases", 16, "drawn realms, side by side; each takes as long as kinit waits, half a minute at most")
)

const insideVar = "KERBAGENT_SENDTO_CASE"

// What this package computes is what MIT's kinit does: of drawn realms, whose KDCs answer, are silent, refuse, or accept a
// connection and say nothing, each over each transport, it knows who answers the first request, and when. kinit tells by KRB5_TRACE.
func TestSendIsLibkrb5s(t *testing.T) {
	if n := os.Getenv(insideVar); n != "" {
		i, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, i)
		return
	}
	for _, name := range []string{"kinit", "nft", "ip"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("needs %s", name)
		}
	}
	var group sync.WaitGroup
	out, errs := make([][]byte, *cases), make([]error, *cases)
	for i := range *cases {
		group.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSendIsLibkrb5s$", "-test.v", fmt.Sprintf("-seed=%d", *seed))
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", insideVar, i))
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
			out[i], errs[i] = cmd.CombinedOutput()
		})
	}
	group.Wait()
	if errors.Is(errs[0], syscall.EPERM) {
		t.Skip("needs root: it makes network namespaces")
	}
	for i, err := range errs {
		if err != nil {
			t.Errorf("seed %d case %d: %v\n%s", *seed, i, err, out[i])
		}
	}
}

// does is what an address does over one transport.
const (
	answers = "answers"
	silent  = "silent"
	refuses = "refuses"
	accepts = "accepts"
)

// drawn is a realm: what each of its KDCs does over UDP and TCP, and udp_preference_limit.
type drawn struct {
	kdcs  []map[string]string
	limit int
}

func draw(r *rand.Rand) drawn {
	d := drawn{limit: []int{1, 1465, 1465}[r.IntN(3)]}
	for range 1 + r.IntN(3) {
		d.kdcs = append(d.kdcs, map[string]string{UDP: []string{answers, silent, silent, silent, refuses}[r.IntN(5)], TCP: []string{answers, silent, silent, accepts, refuses}[r.IntN(5)]})
	}
	return d
}

func address(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 50, 0, byte(i + 1)}), 88)
}

func (d drawn) route() Route {
	r := Route{Realm: "R.TEST", UDPLimit: d.limit}
	for i := range d.kdcs {
		r.Servers = append(r.Servers, Server{Host: address(i).Addr().String(), Addrs: []netip.AddrPort{address(i)}})
	}
	return r
}

func (d drawn) does(a Asked) Does {
	for i, kdc := range d.kdcs {
		if a.Addr == address(i) {
			return map[string]Does{answers: {Answers: true}, silent: {}, refuses: {Refuses: true}, accepts: {Accepts: true}}[kdc[a.Transport]]
		}
	}
	return Does{}
}

func compare(t *testing.T, i int) {
	d := draw(rand.New(rand.NewPCG(*seed, uint64(i))))
	command(t, "ip", "link", "set", "lo", "up")
	rules := "add table inet own; add chain inet own in { type filter hook input priority 0; }"
	realm := krb5test.NewRealm("R.TEST", krb5test.Options{})
	kdc, err := realm.ServeKDC("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer kdc.Close()
	conf := fmt.Sprintf("[libdefaults]\n udp_preference_limit = %d\n dns_lookup_kdc = false\n dns_canonicalize_hostname = false\n[realms]\n R.TEST = {\n", d.limit)
	for i, does := range d.kdcs {
		conf += fmt.Sprintf("  kdc = %s\n", address(i).Addr())
		for proto, how := range does {
			switch {
			case how == silent:
				rules += fmt.Sprintf("; add rule inet own in ip daddr %s %s dport 88 drop", address(i).Addr(), proto)
			case how != refuses && proto == UDP:
				relayUDP(t, address(i), kdc.Addr())
			case how != refuses:
				relayTCP(t, address(i), kdc.Addr(), how == answers)
			}
		}
	}
	command(t, "nft", rules)
	file := filepath.Join(t.TempDir(), "krb5.conf")
	if err := os.WriteFile(file, []byte(conf+" }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked, by, took := kinit(t, file)
	want := d.route().Send(asked, false, d.does)
	if by != want.By || took > want.Waited*3/2+time.Second || want.Waited > took*3/2+time.Second {
		t.Errorf("%+v: kinit is answered by %v after %s, and by this %v after %s", d, by, took.Round(time.Second/10), want.By, want.Waited)
	}
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

var traced = regexp.MustCompile(`(?m)^\[\d+\] (\d+)\.(\d+): (.*)$`)

// kinit asks for a ticket, and returns the size of its first request, who answered it, and when.
func kinit(t *testing.T, conf string) (size int, by Asked, took time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kinit", "u@R.TEST")
	cmd.Env = append(os.Environ(), "KRB5_CONFIG="+conf, "KRB5_TRACE=/dev/stderr", "KRB5CCNAME=MEMORY:")
	out, _ := cmd.CombinedOutput() // it has no password, and fails
	ended := time.Now()
	var began time.Time
	for _, m := range traced.FindAllStringSubmatch(string(out), -1) {
		seconds, _ := strconv.ParseInt(m[1], 10, 64)
		micros, _ := strconv.ParseInt(m[2], 10, 64)
		at := time.Unix(seconds, micros*1000)
		var transport, addr string
		switch {
		case began.IsZero():
			if n, _ := fmt.Sscanf(m[3], "Sending request (%d bytes)", &size); n == 1 {
				began = at
			}
		case strings.HasPrefix(m[3], "Received answer"):
			_, from, _ := strings.Cut(m[3], " from ")
			transport, addr, _ = strings.Cut(from, " ")
			return size, Asked{netip.MustParseAddrPort(addr), map[string]string{"dgram": UDP, "stream": TCP}[transport]}, at.Sub(began)
		}
	}
	if began.IsZero() {
		t.Fatalf("kinit asks nobody: %s", out)
	}
	return size, Asked{}, ended.Sub(began)
}

func relayed(transport string, to netip.AddrPort, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := kdcwire.Dial(ctx, nil, transport, to)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Exchange(ctx, request)
}

func relayUDP(t *testing.T, at, to netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenPacket("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for b := make([]byte, 4096); ; {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if reply, err := relayed(UDP, to, b[:n]); err == nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
}

// relayTCP accepts connections, and hands on what is asked on them where it answers.
func relayTCP(t *testing.T, at, to netip.AddrPort, answers bool) {
	t.Helper()
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var length [4]byte
				if _, err := io.ReadFull(conn, length[:]); err != nil {
					return
				}
				request := make([]byte, binary.BigEndian.Uint32(length[:]))
				if _, err := io.ReadFull(conn, request); err != nil {
					return
				}
				if !answers {
					_, _ = conn.Read(length[:]) // until kinit gives up
					return
				}
				if reply, err := relayed(TCP, to, request); err == nil {
					_, _ = conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...))
				}
			}()
		}
	}()
}
