package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/kerbagent/kerbagent/internal/web"
)

// addresses is a log that hands over the addresses that are listened on.
type addresses struct {
	slog.Handler
	found chan string
}

func (addresses) Enabled(context.Context, slog.Level) bool { return true }

func (a addresses) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "Listening on" {
		r.Attrs(func(attr slog.Attr) bool { a.found <- attr.Value.String(); return false })
	}
	return nil
}

// serving starts a server; its end is awaited at the end of the test, or by stop.
func serving(t *testing.T, h http.Handler, o web.ListenOptions, listeners int) (addrs []string, stop func() error) {
	t.Helper()
	log := addresses{slog.DiscardHandler, make(chan string, 10)}
	o.Logger = slog.New(log)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ctx, h, o) }()
	for range listeners {
		select {
		case a := <-log.found:
			addrs = append(addrs, a)
		case err := <-ended:
			t.Fatal(err)
		}
	}
	return addrs, func() error { cancel(); return <-ended }
}

func TestServeAndStop(t *testing.T) {
	release := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-release
		}
	})
	addrs, stop := serving(t, h, web.ListenOptions{Addresses: []string{"127.0.0.1:0", "127.0.0.2:0"}}, 2)
	for _, a := range addrs {
		r, err := http.Get("http://" + a + "/")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
	}
	hanging, err := http.Get("http://" + addrs[0] + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Body.Close()
	defer close(release)
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("with a request that hangs it took %v to stop", d)
	}
	if _, err := net.Dial("tcp", addrs[1]); err == nil {
		t.Error("it still listens")
	}
}

func TestServeRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(bad, []byte("tls_server_config: {cert_fil: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    web.ListenOptions
		want string
	}{
		{"no address", web.ListenOptions{}, "no address to listen on"},
		{"an address that is none", web.ListenOptions{Addresses: []string{"127.0.0.1:http3"}}, "http3"},
		{"a bad configuration", web.ListenOptions{Addresses: []string{"127.0.0.1:0"}, ConfigFile: bad}, "reading web configuration: "},
		{"no socket of systemd", web.ListenOptions{SystemdSocket: true}, "systemd handed no socket over"},
	} {
		c.o.Logger = slog.New(slog.DiscardHandler)
		if err := web.Serve(t.Context(), http.NotFoundHandler(), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A port that another program has ends nothing: it is tried again, and served
// when it is free. Meanwhile a second address is served.
func TestServeWaitsForItsPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := addresses{slog.DiscardHandler, make(chan string, 10)}
	o := web.ShortWait(web.ListenOptions{Addresses: []string{taken.Addr().String(), "127.0.0.1:0"}, Logger: slog.New(log)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ctx, http.NotFoundHandler(), o) }()
	if a := <-log.found; a == taken.Addr().String() {
		t.Fatalf("it listens on %s, which is taken", a)
	}
	taken.Close()
	if a := <-log.found; a != taken.Addr().String() {
		t.Errorf("it listens on %s, want %s", a, taken.Addr())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A flood of connections takes few descriptors, and the page is served again
// when it is over.
func TestServeUnderAFlood(t *testing.T) {
	addrs, stop := serving(t, http.NotFoundHandler(), web.ListenOptions{Addresses: []string{"127.0.0.1:0"}}, 1)
	before := descriptors(t)
	var flood []net.Conn
	for range 300 {
		c, err := net.DialTimeout("tcp", addrs[0], time.Second)
		if err != nil {
			break // the kernel's queue is full
		}
		flood = append(flood, c)
	}
	if len(flood) < 200 {
		t.Fatalf("only %d connections: this is no flood", len(flood))
	}
	if took := descriptors(t) - before - len(flood); took > 70 {
		t.Errorf("the server took %d descriptors for a flood of %d connections", took, len(flood))
	}
	for _, c := range flood {
		c.Close()
	}
	r, err := http.Get("http://" + addrs[0] + "/")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// More requests than can be answered at once are refused, and not piled up.
func TestServeRefusesTooManyRequests(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{}, 100)
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { began <- struct{}{}; <-release })
	addrs, stop := serving(t, h, web.ListenOptions{Addresses: []string{"127.0.0.1:0"}}, 1)
	codes := make(chan int, 100)
	ask := func() {
		r, err := http.Get("http://" + addrs[0] + "/")
		if err != nil {
			codes <- 0
			return
		}
		r.Body.Close()
		codes <- r.StatusCode
	}
	const answered = 16
	for range answered {
		go ask()
	}
	for range answered {
		<-began
	}
	go ask()
	if code := <-codes; code != http.StatusServiceUnavailable {
		t.Errorf("one request too many got %d, want 503", code)
	}
	close(release)
	for range answered {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("a request got %d", code)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TLS and basic auth come from exporter-toolkit's file.
func TestServeWithTLSAndPassword(t *testing.T) {
	dir := t.TempDir()
	pool := certificate(t, dir)
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "web.yml")
	if err := os.WriteFile(file, []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {admin: '"+string(hash)+"'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addrs, stop := serving(t, web.Handler(&source{}, web.Options{}), web.ListenOptions{Addresses: []string{"127.0.0.1:0"}, ConfigFile: file}, 1)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	for password, want := range map[string]int{"right": 200, "wrong": 401, "": 401} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addrs[0]+"/-/healthy", nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			r.SetBasicAuth("admin", password)
		}
		got, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("password %q: %d, want %d", password, got.StatusCode, want)
		}
	}
}

// certificate writes cert.pem and key.pem for 127.0.0.1.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	for name, content := range map[string][]byte{"cert.pem": certPEM, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

// systemd hands over a socket as file 3, with its number and our process in the
// environment. A shell in between knows that process.
func TestServeOnSystemdSocket(t *testing.T) {
	if os.Getenv("LISTEN_FDS") != "" {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = io.ReadAll(os.Stdin); cancel() }()
		if err := web.Serve(ctx, web.Handler(&source{}, web.Options{}), web.ListenOptions{SystemdSocket: true, Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" -test.run '^TestServeOnSystemdSocket$'`, os.Args[0])
	cmd.ExtraFiles = []*os.File{file}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r, err := http.Get("http://" + l.Addr().String() + "/-/healthy") // waits in the socket until it is served
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	in.Close()
	if err := cmd.Wait(); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("%v, %s: %s", err, r.Status, out.String())
	}
}

// A socket unit with ListenDatagram= once ended the page without a word.
func TestServeRefusesADatagramSocket(t *testing.T) {
	if os.Getenv("LISTEN_FDS") != "" {
		err := web.Serve(t.Context(), web.Handler(&source{}, web.Options{}), web.ListenOptions{SystemdSocket: true, Logger: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "takes no connections") {
			t.Errorf("%v", err)
		}
		return
	}
	l, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" -test.run '^TestServeRefusesADatagramSocket$'`, os.Args[0])
	cmd.ExtraFiles = []*os.File{file}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestNote(t *testing.T) {
	for _, c := range []struct {
		o    web.ListenOptions
		want string
	}{
		{web.ListenOptions{Addresses: []string{"127.0.0.1:10088", "[::1]:10088", "localhost:1", "127.9.9.9:2"}}, ""},
		{web.ListenOptions{Addresses: []string{"127.0.0.1:10088", ":10088"}}, "everyone who reaches :10088"},
		{web.ListenOptions{Addresses: []string{"10.0.0.7:10088"}}, "everyone who reaches 10.0.0.7:10088"},
		{web.ListenOptions{Addresses: []string{"app1:10088"}}, "everyone who reaches app1:10088"},
		{web.ListenOptions{Addresses: []string{"vsock://:10088"}}, "everyone"},
		{web.ListenOptions{Addresses: []string{":10088"}, ConfigFile: "web.yml"}, ""},
		{web.ListenOptions{SystemdSocket: true}, ""},
	} {
		if got := c.o.Note(); (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%v: %q, want %q", c.o.Addresses, got, c.want)
		}
	}
}

// handed is a socket that systemd hands over.
type handed struct {
	net.Listener
	at net.Addr
}

func (h handed) Addr() net.Addr { return h.at }

// A socket unit that listens beyond this host was silent about a page that everybody may read.
func TestNoteOfSystemdsSockets(t *testing.T) {
	here, there := handed{at: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 10088}}, handed{at: &net.TCPAddr{IP: net.IPv4zero, Port: 10088}}
	unix := handed{at: &net.UnixAddr{Name: "/run/kerbagent/web", Net: "unix"}}
	if got := (web.ListenOptions{SystemdSocket: true}).NoteOf(here, unix, there); !strings.HasPrefix(got, "everyone who reaches 0.0.0.0:10088") {
		t.Errorf("%q", got)
	}
	if got := (web.ListenOptions{SystemdSocket: true}).NoteOf(here, unix); got != "" {
		t.Errorf("%q", got)
	}
	if got := (web.ListenOptions{SystemdSocket: true, ConfigFile: "web.yml"}).NoteOf(there); got != "" {
		t.Errorf("%q", got)
	}
}
