package awstest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	stamp     = "20060102T150405Z"
	maxSkew   = 5 * time.Minute // between the signature and our clock
)

// scope is what the Authorization header of a request says.
type scope struct {
	key, date, region, service string
	headers                    []string // that are signed, in lower case and order
	signature                  string
}

// parseScope reads an Authorization header. It gives false where it is no
// signature of version 4.
func parseScope(header string) (scope, bool) {
	var s scope
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return s, false
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			f := strings.Split(value, "/")
			if len(f) != 5 || f[4] != "aws4_request" {
				return s, false
			}
			s.key, s.date, s.region, s.service = f[0], f[1], f[2], f[3]
		case "SignedHeaders":
			s.headers = strings.Split(value, ";")
		case "Signature":
			s.signature = value
		}
	}
	return s, s.key != "" && s.signature != "" && slices.Contains(s.headers, "host")
}

// signatureOf computes the signature that a request should have ("Create a signed
// AWS API request" in the IAM User Guide).
func signatureOf(r *http.Request, body []byte, s scope, secret string) string {
	var canonical strings.Builder
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	canonical.WriteString(r.Method + "\n" + path + "\n" + canonicalQuery(r.URL.Query()) + "\n")
	for _, h := range s.headers {
		values := r.Header.Values(h)
		switch h {
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{r.Header.Get("Content-Length")}
		}
		for i, v := range values {
			values[i] = strings.Join(strings.Fields(v), " ")
		}
		canonical.WriteString(h + ":" + strings.Join(values, ",") + "\n")
	}
	sum := sha256.Sum256(body)
	canonical.WriteString("\n" + strings.Join(s.headers, ";") + "\n" + hex.EncodeToString(sum[:]))

	hashed := sha256.Sum256([]byte(canonical.String()))
	toSign := algorithm + "\n" + r.Header.Get("X-Amz-Date") + "\n" +
		s.date + "/" + s.region + "/" + s.service + "/aws4_request\n" + hex.EncodeToString(hashed[:])
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// canonicalQuery is the query string, sorted and escaped as RFC 3986 has it.
func canonicalQuery(q url.Values) string {
	var pairs []string
	for k, values := range q {
		for _, v := range values {
			pairs = append(pairs, strings.ReplaceAll(url.QueryEscape(k)+"="+url.QueryEscape(v), "+", "%20"))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// authenticate finds who signed a request. The cloud is locked.
func (c *Cloud) authenticate(r *http.Request, body []byte, s scope) (*principal, *apiError) {
	who, ok := c.people[s.key]
	if !ok || who.token != r.Header.Get("X-Amz-Security-Token") {
		return nil, &apiError{trouble: troubleUnknownKey, message: "The security token included in the request is invalid."}
	}
	date, err := time.Parse(stamp, r.Header.Get("X-Amz-Date"))
	if err != nil || date.Format("20060102") != s.date {
		return nil, &apiError{trouble: troubleSignature, message: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of " +
			"date from HTTP"}
	}
	if want := c.homeOf(s.service); s.region != want && s.service != "sts" {
		return nil, &apiError{trouble: troubleSignature, message: "Credential should be scoped to a valid region."}
	}
	for _, h := range []string{"X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Target"} {
		if r.Header.Get(h) != "" && !slices.Contains(s.headers, strings.ToLower(h)) {
			return nil, &apiError{trouble: troubleSignature, message: "'" + h + "' must be a 'SignedHeader' in the AWS Authorization."}
		}
	}
	want := signatureOf(r, bytes.Clone(body), s, who.secret)
	if !hmac.Equal([]byte(want), []byte(s.signature)) {
		return nil, &apiError{trouble: troubleSignature, message: "The request signature we calculated does not match the signature you " +
			"provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
	}
	if skew := c.options.Wall().Sub(date); skew > maxSkew {
		return nil, &apiError{trouble: troubleSkew, message: "Signature expired: " + date.Format(stamp) + " is now earlier than " +
			c.options.Wall().Add(-maxSkew).UTC().Format(stamp)}
	} else if skew < -maxSkew {
		return nil, &apiError{trouble: troubleSkew, message: "Signature not yet current: " + date.Format(stamp) + " is still later than " +
			c.options.Wall().Add(maxSkew).UTC().Format(stamp)}
	}
	if !who.expires.IsZero() && !c.now().Before(who.expires) {
		return nil, &apiError{trouble: troubleExpired, message: "The security token included in the request is expired"}
	}
	return who, nil
}

// homeOf is the Region that a service's requests are signed for: IAM has one a partition.
func (c *Cloud) homeOf(service string) string {
	if service != "iam" {
		return c.options.Region
	}
	switch c.options.Partition {
	case "aws-cn":
		return "cn-north-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	case "aws":
		return "us-east-1"
	}
	return c.options.Region
}
