package web

import (
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
)

// policy allows the page its own files and nothing else: no inline script or
// style, no other origin, no frame around it, no form.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// headers sets what every answer has.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// knownHosts refuses names that are not ours. Without that, a page of
// evil.example whose name is made to resolve to 127.0.0.1 (DNS rebinding)
// could read everything here, since for the browser it is the same origin.
// With TLS the certificate has settled it.
func knownHosts(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && !known(r.Host, hosts) {
			http.Error(w, "this Host header is not accepted: use an IP address or localhost, or start kerbagent with --"+HostsFlag+"=NAME", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// known reports whether a Host header can be answered. An empty one is of a
// simple checker (HTTP/1.0): a browser always sends one.
func known(header string, hosts []string) bool {
	name := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		name = h
	} else if strings.HasPrefix(header, "[") && strings.HasSuffix(header, "]") {
		name = header[1 : len(header)-1] // IPv6 without a port
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if _, err := netip.ParseAddr(name); err == nil || name == "" {
		return true
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || // RFC 6761 §6.3: always this host
		slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(strings.TrimSuffix(h, "."), name) })
}

// safely answers that there is a bug where the answer panics: it costs that
// request alone. http.ErrAbortHandler is no bug.
func safely(panicked func(string, any, []byte), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			if panicked != nil {
				panicked(r.URL.Path, v, debug.Stack())
			}
			http.Error(w, "this is a bug of kerbagent; its log says more", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}
