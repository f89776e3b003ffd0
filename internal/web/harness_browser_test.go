//go:build browser

package web_test

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/kerbagent/kerbagent/internal/web"
)

// These tests drive the real Chromium, Debian's package, and fail without it.
// It talks to this test's server on loopback and to nothing else.
const chromium = "/usr/bin/chromium"

var screenshots = flag.String("screenshots", "", "folder that the tests put pictures of the page into")

// tab is a browser with one page of kerbagent in it.
type tab struct {
	t      *testing.T
	ctx    context.Context
	server *httptest.Server
	// problems counts what the console says: errors, warnings, refusals of the policy.
	problems func() []string
}

// look describes how the page is viewed.
type look struct {
	width, height int64
	dark          bool
	noScript      bool
}

func desktop() look { return look{width: 1280, height: 900} }
func phone() look   { return look{width: 360, height: 740} }

// open starts a browser and shows the page of s in it.
func open(t *testing.T, s web.Source, l look) *tab {
	t.Helper()
	server := httptest.NewServer(web.Handler(s, web.Options{}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	dir := t.TempDir()
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(
		chromedp.ExecPath(chromium), chromedp.UserDataDir(dir), chromedp.Env("TMPDIR="+dir), // it leaves things lying about
		chromedp.Flag("no-proxy-server", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	))
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, server: server}
	b.do() // starts the browser, which must not end with the watch
	b.watch()
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	b.do(chromedp.EmulateViewport(l.width, l.height))
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	if l.noScript {
		call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	b.do(chromedp.Navigate(server.URL + "/"))
	return b
}

// watch gathers what the console says.
func (b *tab) watch() {
	ctx, stop := context.WithCancel(b.ctx)
	messages := chromedp.Console(ctx)
	said := make(chan []string, 1)
	go func() {
		var all []string
		for m, err := range messages {
			if err != nil {
				break
			}
			all = append(all, m.String())
		}
		said <- all
	}()
	b.problems = func() []string { stop(); return <-said }
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// run returns the value of an action.
func run[T any](b *tab, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// call returns what a command of the browser's protocol answers.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// js returns the value of an expression on the page.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expression))
}

// until waits for an expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
}

// wait lets the page's clock run.
func (b *tab) wait(d time.Duration) {
	b.t.Helper()
	run(b, chromedp.Evaluate[any](fmt.Sprintf("new Promise(r => setTimeout(r, %d))", d.Milliseconds()), chromedp.EvalAwaitPromise))
}

// picture keeps a screenshot of what is seen first, where they are wanted.
func (b *tab) picture(name string) {
	b.t.Helper()
	png := run(b, chromedp.CaptureScreenshot())
	if len(png) < 5000 {
		b.t.Errorf("%s: a picture of %d bytes shows nothing", name, len(png))
	}
	if *screenshots != "" {
		if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}
