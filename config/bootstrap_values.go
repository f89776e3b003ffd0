package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
)

// The readers of single values of the bootstrap part.

const awsNameRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

func parseBool(s string) (bool, error) {
	switch s {
	case "true", "True", "TRUE": // YAML 1.2 §10.3.2
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

// parseAWSAccount reads the number of an account. YAML takes one without quotes
// for a number, and one that begins with 0 for an octal one: its text counts.
func parseAWSAccount(s string) (string, error) {
	if len(s) != 12 || strings.Trim(s, "0123456789") != "" {
		return "", fmt.Errorf("%q is not an AWS account; write its twelve digits in quotes", s)
	}
	return s, nil
}

// parseIAMPath reads the path of a role: / or /something/.
func parseIAMPath(s string) (string, error) {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == '*' || r == '?' }
	if s == "" || len(s) > 512 || s[0] != '/' || s[len(s)-1] != '/' || strings.ContainsFunc(s, odd) {
		return "", fmt.Errorf("%q is not the path of a role; write one like /service/, or /", s)
	}
	return s, nil
}

// parsePolicyARN reads the ARN of a managed policy.
func parsePolicyARN(s string) (string, error) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || !strings.HasPrefix(parts[5], "policy/") ||
		strings.Trim(s, awsNameRunes+":/_+=,@") != "" {
		return "", fmt.Errorf("%q is not the ARN of a policy; write one like arn:aws:iam::123456789012:policy/boundary", s)
	}
	return s, nil
}

func parseAWSRegion(s string) (string, error) {
	if strings.Count(s, "-") < 2 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", fmt.Errorf("%q is not a Region; write one like us-east-1", s)
	}
	return s, nil
}

// parseAWSID reads an identifier: its prefix, and so many hexadecimal digits.
func parseAWSID(prefix string, least, most int) func(string) (string, error) {
	return func(s string) (string, error) {
		digits, ok := strings.CutPrefix(s, prefix)
		if !ok || len(digits) < least || len(digits) > most || strings.Trim(digits, "0123456789abcdef") != "" {
			return "", fmt.Errorf("%q is not an id of AWS; write %s and its %d hexadecimal digits", s, prefix, most)
		}
		return s, nil
	}
}

// notInTags reports a character that IAM and Directory Service take in no tag (the API
// models' pattern).
func notInTags(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.N, unicode.Z) && !strings.ContainsRune("_.:/=+-@", r)
}

// parseAWSName reads what AWS calls a thing: a name, or an ARN.
func parseAWSName(s string) (string, error) {
	if s == "" || len(s) > 512 || strings.Trim(s, awsNameRunes+":/_") != "" {
		return "", fmt.Errorf("%q is not a valid AWS name", s)
	}
	return s, nil
}

// parseDirectoryName reads the DNS name of a managed directory. Aurora joins
// one only where it is below 62 characters.
func parseDirectoryName(s string) (string, error) {
	name, err := parseDomain(s)
	if err == nil && len(name) >= 62 {
		return "", fmt.Errorf("%q has %d characters; Aurora joins a directory only where its name has at most 61", s, len(name))
	}
	return name, err
}

// parseDomain reads a directory's DNS name. One of a single label can have no trust.
func parseDomain(s string) (string, error) {
	if err := checkHost(s); err != nil {
		return "", err
	}
	if !strings.Contains(s, ".") {
		return "", fmt.Errorf("%q has one label; a directory's name has two or more, e.g. corp.example.com", s)
	}
	return strings.ToLower(s), nil
}

// parseNetBIOS reads a NetBIOS name, which names the directory's own OU too.
func parseNetBIOS(s string) (string, error) {
	if len(s) > 15 || !isLabel(s) {
		return "", fmt.Errorf("%q is not a NetBIOS name: 1 to 15 letters, digits and hyphens, without a dot", s)
	}
	return strings.ToUpper(s), nil
}

// shortName is the NetBIOS name that a directory gets where nobody gives it one.
func shortName(domain string) string {
	label, _, _ := strings.Cut(domain, ".")
	return strings.ToUpper(label[:min(len(label), 15)])
}

// parseAccountName reads a sAMAccountName that needs no quoting anywhere.
func parseAccountName(s string) (string, error) {
	if s == "" || len(s) > 20 || strings.HasSuffix(s, ".") || strings.Trim(s, awsNameRunes+"_") != "" {
		return "", fmt.Errorf("%q is not the name of a user: 1 to 20 letters, digits, hyphens, dots and underscores", s)
	}
	return s, nil
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("%q is not an IP address", s)
	}
	return a.Unmap(), nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p != p.Masked() {
		return p, fmt.Errorf("%q is not a network; write one like 192.0.2.0/24", s)
	}
	return p, nil
}

// parseMySQLHost reads the host part of a database account.
func parseMySQLHost(s string) (string, error) {
	if s == "" || len(s) > 255 || strings.Trim(s, awsNameRunes+"%_:/") != "" {
		return "", fmt.Errorf(`%q is not the host of a database account; write "%%", an address or a name`, s)
	}
	return s, nil
}

// parseBootstrapSecret reads file:PATH, credential:NAME and secretsmanager:NAME[#KEY].
func parseBootstrapSecret(s, dir string) (BootstrapSecret, error) {
	rest, ok := strings.CutPrefix(s, "secretsmanager:")
	switch {
	case ok:
	case strings.HasPrefix(s, "file:"), strings.HasPrefix(s, "credential:"):
		local, err := parseSecretRef(s, dir)
		return BootstrapSecret{Local: local}, err
	default: // the likeliest reason is the password itself: it is not repeated
		return BootstrapSecret{}, errors.New("does not say where the password is; write secretsmanager:NAME, file:PATH or credential:NAME: the password itself never stands here")
	}
	name, key, keyed := strings.Cut(rest, "#")
	if name == "" || len(name) > 512 || strings.Trim(name, awsNameRunes+"/_+=@!:") != "" {
		return BootstrapSecret{}, fmt.Errorf("%q is not a secret of Secrets Manager; write secretsmanager:NAME", s)
	}
	if keyed && key == "" {
		return BootstrapSecret{}, errors.New("names no key after #; write secretsmanager:NAME#KEY, or NAME alone")
	}
	return BootstrapSecret{Manager: name, Key: key}, nil
}
