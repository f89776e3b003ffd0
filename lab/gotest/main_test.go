package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// What `go test -json` (Go 1.26) prints of a package with a test that passes, one
// that fails, one that leaves itself out and one that ends the program, cut down.
const stream = `{"Action":"start","Package":"a"}
{"Action":"run","Package":"a","Test":"TestPasses"}
{"Action":"output","Package":"a","Test":"TestPasses","Output":"=== RUN   TestPasses\n"}
{"Action":"output","Package":"a","Test":"TestPasses","Output":"    a_test.go:5: of no interest\n"}
{"Action":"output","Package":"a","Test":"TestPasses","Output":"--- PASS: TestPasses (0.00s)\n"}
{"Action":"pass","Package":"a","Test":"TestPasses"}
{"Action":"run","Package":"a","Test":"TestLeftOut"}
{"Action":"output","Package":"a","Test":"TestLeftOut","Output":"=== RUN   TestLeftOut\n"}
{"Action":"output","Package":"a","Test":"TestLeftOut","Output":"    a_test.go:9: needs root\n"}
{"Action":"output","Package":"a","Test":"TestLeftOut","Output":"--- SKIP: TestLeftOut (0.00s)\n"}
{"Action":"skip","Package":"a","Test":"TestLeftOut"}
{"Action":"output","Package":"a","Output":"PASS\n"}
{"Action":"output","Package":"a","Output":"ok  \ta\t0.1s\n"}
{"Action":"pass","Package":"a"}
{"Action":"start","Package":"none"}
{"Action":"output","Package":"none","Output":"?   \tnone\t[no test files]\n"}
{"Action":"skip","Package":"none"}
`

const broken = `{"Action":"start","Package":"b"}
{"Action":"run","Package":"b","Test":"TestFails"}
{"Action":"output","Package":"b","Test":"TestFails","Output":"    b_test.go:5: got 1, want 2\n"}
{"Action":"output","Package":"b","Test":"TestFails","Output":"--- FAIL: TestFails (0.00s)\n"}
{"Action":"fail","Package":"b","Test":"TestFails"}
{"Action":"run","Package":"b","Test":"TestPanics"}
{"Action":"output","Package":"b","Test":"TestPanics","Output":"panic: out of range\n"}
{"Action":"output","Package":"b","Output":"FAIL\tb\t0.1s\n"}
{"Action":"fail","Package":"b"}
{"ImportPath":"c","Action":"build-output","Output":"c/c.go:1:1: expected 'package'\n"}
{"ImportPath":"c","Action":"build-fail"}
`

func printed(t *testing.T, stream string) (string, *printer) {
	t.Helper()
	var out bytes.Buffer
	p := &printer{out: &out, begun: time.Now(), said: map[string][]string{}, running: map[string]time.Time{}}
	p.follow(read(strings.NewReader(stream)))
	return out.String(), p
}

func TestWhatIsLeftOutIsSaid(t *testing.T) {
	got, p := printed(t, stream)
	want := "    a_test.go:9: needs root\n--- SKIP: TestLeftOut (0.00s)\nok  \ta\t0.1s\n?   \tnone\t[no test files]\n"
	if got != want || p.failed {
		t.Errorf("failed %t, printed\n%s\nwant\n%s", p.failed, got, want)
	}
}

func TestWhatFailsIsSaid(t *testing.T) {
	got, p := printed(t, broken)
	want := "    b_test.go:5: got 1, want 2\n--- FAIL: TestFails (0.00s)\npanic: out of range\nFAIL\tb\t0.1s\nc/c.go:1:1: expected 'package'\n"
	if got != want || !p.failed {
		t.Errorf("failed %t, printed\n%s\nwant\n%s", p.failed, got, want)
	}
}

func TestProgressNamesTheTestThatRunsLongest(t *testing.T) {
	now := time.Now()
	p := &printer{begun: now.Add(-time.Minute), running: map[string]time.Time{
		"a": now.Add(-50 * time.Second), "a TestX": now.Add(-40 * time.Second), "b TestY": now.Add(-45 * time.Second), "b TestZ": now,
	}}
	if got, want := p.progress(now), "...  60 s: b TestY (45 s), a TestX (40 s)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
