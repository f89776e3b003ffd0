package main

import (
	"bufio"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kerbagent": main, "fetch": fetch, "silent": silent, "resum": resum})
}

// What users type, and what they get: one script a subject.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata"})
}

// fetch is a command of the scripts: fetch [-patience D] [-within D] LOG PATH [REGEXP]
// asks the daemon that logs to the file LOG for PATH, again and again until the
// answer matches REGEXP and came within D, and prints it. A busy machine may make
// one answer late, so that the next one is waited for.
func fetch() {
	patience := flag.Duration("patience", time.Minute, "")
	within := flag.Duration("within", time.Minute, "")
	flag.Parse()
	want := regexp.MustCompile(flag.Arg(2))
	address := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
	fail := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
		os.Exit(1)
	}
	var last string
	for end := time.Now().Add(*patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		log, _ := os.ReadFile(flag.Arg(0))
		at := address.FindSubmatch(log)
		if at == nil {
			last = "nothing listens yet: " + string(log)
			continue
		}
		asked := time.Now()
		res, err := http.Get("http://" + string(at[1]) + flag.Arg(1))
		if err != nil {
			last = err.Error()
			continue
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		last = string(b)
		if err != nil || !want.Match(b) {
			continue
		}
		if took := time.Since(asked); took > *within {
			last = fmt.Sprintf("it took %v", took)
			continue
		}
		fmt.Print(last)
		return
	}
	fail("%s: no answer matched %q within %v; the last one: %s", flag.Arg(1), want, *patience, last)
}

// silent is a command of the scripts: it listens on a port of the loopback over
// UDP and TCP, writes the port to the file that its argument names, and answers
// nothing until it is interrupted.
func silent() {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	port := tcp.Addr().(*net.TCPAddr).Port
	udp, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		panic(err)
	}
	defer udp.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	if err := os.WriteFile(os.Args[1], fmt.Appendf(nil, "%d", port), 0o644); err != nil {
		panic(err)
	}
	<-stop // connections wait in the queue of tcp, which nobody accepts from
}

// resum is a command of the scripts: it puts the right checksum before each line of
// a failure log that was edited.
func resum() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		_, object, _ := strings.Cut(lines.Text(), " ")
		fmt.Printf("%08x %s\n", crc32.ChecksumIEEE([]byte(object)), object)
	}
}
