//go:build browser

package web_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// quiet fails the test where the console said anything: an error of the script,
// a file that is not there, something that the policy refused.
func (b *tab) quiet() {
	b.t.Helper()
	for _, m := range b.problems() {
		b.t.Errorf("the console says %s", m)
	}
}

// fits fails where the page is wider than the window, or a text sticks out of it.
func (b *tab) fits() {
	b.t.Helper()
	if wide := js[[]string](b, `[...document.querySelectorAll("body *")].filter(e => {
		const r = e.getBoundingClientRect();
		return r.width > 1 && r.right > innerWidth + 1 && !e.closest("pre, .scroll, .symbols, .skip, .unseen") && e.checkVisibility();
	}).map(e => e.outerHTML.slice(0, 120))`); len(wide) > 0 {
		b.t.Errorf("%d elements stick out to the right, first %s", len(wide), wide[0])
	}
	if w := js[[]int](b, `[document.documentElement.scrollWidth, innerWidth]`); w[0] > w[1] {
		b.t.Errorf("the page is %d wide, the window %d", w[0], w[1])
	}
}

// Each broken rung, in light and dark, on a desktop and on a phone: the verdict
// and the commands are seen without scrolling, the picture names the rung.
func TestBrowserEachRung(t *testing.T) {
	for _, c := range []struct {
		fault    diagnose.Code
		word, at string // at: the stop where the cause is
	}{
		{"", "OK", ""}, {"host-offline", "FAILED", "This host"}, {"dns-server-silent", "DEGRADED", "DNS"}, {"kdc-tcp-blocked", "FAILED", "Kerberos"},
		{"kpasswd-blocked", "DEGRADED", "Password change"}, {"db-refused", "FAILED", "Database"}, {"password-wrong", "FAILED", "Login"},
	} {
		fault := cmp.Or(string(c.fault), "healthy")
		t.Run(fault, func(t *testing.T) {
			s := &source{state: rehearse(t, c.fault)}
			name := "-" + fault
			for _, l := range []look{desktop(), {width: 1280, height: 900, dark: true}, phone()} {
				b := open(t, s, l)
				if got := js[string](b, `document.querySelector(".word span").textContent`); got != c.word {
					t.Errorf("the page says %q", got)
				}
				root := js[string](b, `document.querySelector(".station.root h3")?.firstChild.textContent ?? ""`)
				if strings.TrimSpace(root) != c.at {
					t.Errorf("the cause is shown at %q, want %q", root, c.at)
				}
				if c.fault != "" && !js[bool](b, `document.querySelector(".verdict pre").getBoundingClientRect().top < innerHeight`) {
					t.Errorf("on a window of %d×%d one has to scroll to see what to type", l.width, l.height)
				}
				b.fits()
				switch {
				case l.dark:
					b.picture("dark" + name)
				case l.width == 360:
					b.picture("phone" + name)
				default:
					b.picture("desktop" + name)
				}
				b.quiet()
			}
		})
	}
}

// Dark is dark, and all text can be read: 4.5 to 1 against what is behind it
// (WCAG 2.2, 1.4.3).
func TestBrowserContrast(t *testing.T) {
	s := &source{state: rehearse(t, "kdc-tcp-blocked")}
	s.state.Notes = []string{"KDC 10.0.0.10:88 says that it is busy"}
	for _, dark := range []bool{false, true} {
		b := open(t, s, look{width: 1280, height: 900, dark: dark})
		if got := js[float64](b, contrast+`; light(rgb(getComputedStyle(document.body).backgroundColor))`); (got < 0.2) != dark {
			t.Errorf("dark %v: the background is of luminance %.2f", dark, got)
		}
		for _, low := range js[[]string](b, contrast+`; tooLow(4.5)`) {
			t.Errorf("dark %v: %s", dark, low)
		}
	}
}

// contrast computes WCAG's contrast of each text with the nearest background.
const contrast = `
var rgb = c => c.match(/[\d.]+/g).map(Number);
var light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
var behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
var tooLow = least => [...document.querySelectorAll("body *")].filter(e => e.checkVisibility() && !e.closest(".unseen, .skip") &&
	[...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())).map(e => {
	const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(behind(e))].sort((x, y) => y - x);
	return [(a + 0.05) / (b + 0.05), e];
}).filter(([c]) => c < least).map(([c, e]) => c.toFixed(2) + " " + e.outerHTML.slice(0, 100))`

// Without JavaScript the page is whole, and refreshes itself.
func TestBrowserWithoutScript(t *testing.T) {
	s := &source{state: rehearse(t, "kdc-tcp-blocked")}
	l := desktop()
	l.noScript = true
	b := open(t, s, l)
	text := run(b, chromedp.Text(chromedp.CSS("body")))
	for _, want := range []string{"FAILED", "Do this", s.state.Report.Findings[0].Title, "Kerberos", "reload to refresh"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(text, "copy") || strings.Contains(text, "pause") {
		t.Error("there are buttons that do nothing")
	}
	if n := len(run(b, chromedp.QueryNodeIDs(chromedp.CSSAll(`noscript meta[http-equiv="refresh"]`)))); n != 1 {
		t.Error("the page does not refresh itself")
	}
	run(b, chromedp.Click(chromedp.CSS("#login details summary")))
	if !strings.Contains(run(b, chromedp.Text(chromedp.CSS("#login"))), "began at") {
		t.Error("the stages of a login cannot be unfolded")
	}
}

// Thousands of results: the page is small, quick, and says what is left out.
func TestBrowserFleet(t *testing.T) {
	s := &source{state: fleet(10000, 9)}
	for _, l := range []look{desktop(), phone()} {
		b := open(t, s, l)
		if ms := js[float64](b, `performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd`); ms > 5000 {
			t.Errorf("the page took %.0f ms to be there", ms)
		}
		if n := js[int](b, `document.querySelectorAll("*").length`); n > 30000 {
			t.Errorf("the page has %d elements", n)
		}
		if !strings.Contains(js[string](b, `document.querySelector("#kdc").textContent`), "of them broken: report") {
			t.Error("the page does not say that there is more")
		}
		b.fits()
		b.picture(fmt.Sprintf("fleet-%d", l.width))
		b.quiet()
	}
}

// The page follows the agent by itself: what is unfolded stays so, the focus
// stays, the title and the screen reader's line change, a lost agent is said.
func TestBrowserRefresh(t *testing.T) {
	broken := rehearse(t, "kdc-tcp-blocked")
	s := &source{state: broken}
	b := open(t, s, desktop())
	js[any](b, `document.querySelector("#login details summary").click(), document.querySelector("#login details summary").focus(), scrollTo({top: 300, behavior: "instant"}), null`)
	const top = `document.getElementById("path").getBoundingClientRect().top`
	from := js[float64](b, top)
	s.set(rehearse(t, ""))
	b.until(`document.querySelector(".word span").textContent === "OK"`)
	for name, expression := range map[string]string{
		"the title":                `document.title.startsWith("OK · ")`,
		"the icon":                 `document.getElementById("icon").href.endsWith("static/ok.svg")`,
		"what is read out":         `document.getElementById("said").textContent.startsWith("OK: ")`,
		"what was not there":       `document.querySelector("#login").textContent.includes("alice")`,
		"the focus":                `document.activeElement.matches("#login summary")`,
		"no cause in the picture":  `!document.querySelector(".station.root")`,
		"no finding, no commands":  `!document.querySelector("#verdict pre")`,
		"only one of each section": `document.querySelectorAll("[data-part=kdc]").length === 1`,
	} {
		if !js[bool](b, expression) {
			t.Errorf("after a refresh %s is not right", name)
		}
	}
	if to := js[float64](b, top); to < from-20 || to > from+20 {
		t.Errorf("what was read moved from %.0f to %.0f px below the top", from, to)
	}
	carol := `[...document.querySelectorAll("#login details")].find(d => d.id.includes("carol")).open`
	if !js[bool](b, carol) {
		t.Error("what was unfolded is folded again")
	}
	// A pause is one.
	js[any](b, `document.getElementById("pause").click(), null`)
	s.set(broken)
	before := s.count()
	b.wait(6 * time.Second)
	if s.count() != before || js[string](b, `document.querySelector(".word span").textContent`) != "OK" {
		t.Error("the page is refreshed although it is paused")
	}
	js[any](b, `document.getElementById("pause").click(), null`)
	b.until(`document.querySelector(".word span").textContent === "FAILED"`)
	b.quiet()
	// The server goes.
	b.server.CloseClientConnections()
	b.server.Close()
	b.until(`document.getElementById("lost").textContent.includes("does not answer since")`)
}

// With the keyboard alone: first the way past the head, then everything in the
// order of the page, and the focus is seen.
func TestBrowserKeyboard(t *testing.T) {
	b := open(t, &source{state: rehearse(t, "kdc-tcp-blocked")}, desktop())
	var order []string
	for range 14 {
		b.do(chromedp.KeyEvent(kb.Tab))
		order = append(order, js[string](b, `(e => e.tagName + " " + e.textContent.trim().slice(0, 20))(document.activeElement)`))
		if !js[bool](b, `getComputedStyle(document.activeElement).outlineStyle !== "none"`) {
			t.Errorf("the focus cannot be seen on %s", order[len(order)-1])
		}
	}
	at := 0
	for _, want := range []string{"A Skip to what", "BUTTON pause", "PRE ", "SUMMARY what was seen", "A DNS", "A Kerberos", "A Login", "SUMMARY "} {
		n := slices.IndexFunc(order[at:], func(s string) bool { return strings.HasPrefix(s, want) })
		if n < 0 {
			t.Fatalf("%q is not reached, or too early: %q", want, order)
		}
		at += n
	}
	b.do(chromedp.KeyEvent(" "))
	if !js[bool](b, `document.activeElement.tagName !== "SUMMARY" || document.activeElement.parentElement.open`) {
		t.Error("the space bar does not unfold")
	}
	b.quiet()
}

// What a screen reader is told: landmarks, one heading of the first level,
// names for everything that can be used, text for every picture, tables that
// stay tables on a phone.
func TestBrowserAccessibility(t *testing.T) {
	for _, l := range []look{desktop(), phone()} {
		b := open(t, &source{state: rehearse(t, "kdc-tcp-blocked")}, l)
		tree := call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
		roles := map[string]int{}
		for _, n := range tree {
			if n.Ignored || n.Role == nil {
				continue
			}
			role, name := text(n.Role), text(n.Name)
			roles[role]++
			if slices.Contains([]string{"link", "button", "image", "region", "table", "heading", "summary", "navigation", "DisclosureTriangle"}, role) && strings.TrimSpace(name) == "" {
				t.Errorf("a %s without a name (node %v)", role, n.BackendDOMNodeID)
			}
		}
		for role, least := range map[string]int{"banner": 1, "main": 1, "contentinfo": 1, "navigation": 1, "region": 6, "table": 4, "row": 16, "rowheader": 8, "columnheader": 12, "cell": 30, "alert": 1, "status": 1, "image": 8} {
			if roles[role] < least {
				t.Errorf("%d wide: %d of role %s, want %d: %v", l.width, roles[role], role, least, roles)
			}
		}
		if n := js[int](b, `document.querySelectorAll("h1").length`); n != 1 {
			t.Errorf("%d headings of the first level", n)
		}
		if n := js[int](b, `[...document.querySelectorAll("svg.icon")].filter(i => i.checkVisibility() && !i.parentElement.textContent.trim()).length`); n > 0 {
			t.Errorf("%d states are shown by a picture alone", n)
		}
	}
}

func text(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}

// What a peer says stays text in a real browser, too.
func TestBrowserHostileText(t *testing.T) {
	s := rehearse(t, "password-wrong")
	const evil = `</h1><script>window.hacked = 1</script><img src=/x onerror="window.hacked = 1"><a href="javascript:window.hacked=1" autofocus onfocus="window.hacked=1">`
	for i := range s.Report.Findings {
		f := &s.Report.Findings[i]
		f.Title, f.Cause, f.Evidence = evil, evil, map[string]string{evil: evil}
	}
	b := open(t, &source{state: s}, phone())
	if js[bool](b, `"hacked" in window`) || js[bool](b, `Boolean(document.querySelector("main img, main script, a[href^=javascript]"))`) {
		t.Error("a peer's text became markup")
	}
	b.fits()
	b.quiet()
}
