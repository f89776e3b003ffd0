package lint

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

const soundPath = "/etc/krb5.conf"

// soundText is a file that needs nothing.
func soundText(t *testing.T) string {
	t.Helper()
	return trapFiles(t, "sound", "/etc")[soundPath]
}

func lintText(text string, change func(*Input)) []krb5conf.Issue {
	in := Input{Set: conf.Load(conf.Texts{Files: map[string]string{soundPath: text}}, soundPath), Path: soundPath, Site: trapSite()}
	if change != nil {
		change(&in)
	}
	return Issues(in)
}

func codesOf(issues []krb5conf.Issue) []string {
	var codes []string
	for _, i := range issues {
		codes = append(codes, i.Code)
	}
	return codes
}

// TestLintEnvironment has a case for each finding that is not about the text
// of the file; those are in testdata/traps.
func TestLintEnvironment(t *testing.T) {
	sound := soundText(t)
	generated := "[libdefaults]\n    rdns = false\n"
	block, err := site.Compose(site.Block, sound, generated)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		text   string
		change func(*Input)
		want   []string
	}{
		{"nothing", sound, nil, nil},
		{"no file", sound, func(in *Input) { in.Set = conf.Load(conf.Texts{}, soundPath) }, []string{CodeMissing}},
		{"KRB5_CONFIG elsewhere", sound, func(in *Input) { in.Env.KRB5Config = "/opt/krb5.conf" }, []string{CodeOverridden}},
		{"KRB5_CONFIG the same", sound, func(in *Input) { in.Env.KRB5Config = soundPath }, nil},
		{"everyone may write", sound, func(in *Input) { in.Set.Docs[soundPath].Mode = 0o666 }, []string{CodeWritable}},
		{"as generated", sound, func(in *Input) { in.Want = sound }, nil},
		{"not as generated", sound, func(in *Input) { in.Want = generated }, []string{CodeDrift}},
		{"block as generated", block, func(in *Input) { in.Want, in.Style = generated, site.Block }, nil},
		{"block not there", sound, func(in *Input) { in.Want, in.Style = generated, site.Block }, []string{CodeDrift}},
		{"someone else's part of the file", block + "\n[appdefaults]\n    mysql = {\n        destroy_tickets = true\n    }\n", func(in *Input) { in.Want, in.Style = generated, site.Block }, nil},
		{"marker gone", strings.Replace(block, site.EndMark, "", 1), func(in *Input) { in.Want, in.Style = generated, site.Block }, []string{CodeDrift}},

		{"KDCs by DNS, one name and one address, and no order to keep", sound, func(in *Input) { in.Site.Realms = unordered() }, nil},
		{"the same, and there is one", sound, func(in *Input) { in.Site.Realms, in.Orders = unordered(), true }, []string{CodeUnordered, CodeUnordered}},
		{"snippet that nobody includes", sound, func(in *Input) {
			in.Want, in.Style, in.Snippet = generated, site.Snippet, "/etc/krb5.conf.d/kerbagent"
		}, []string{CodeDrift}},

		{"keyring in a container", sound, func(in *Input) { in.Env.CCacheName, in.Env.Container = "KEYRING:persistent:0", true }, []string{CodeCCacheUnusable, CodeCCacheUnusable}},
		{"keyring of another user", sound, func(in *Input) { in.Env.CCacheName, in.Env.UID = "KEYRING:persistent:0", 1000 }, []string{CodeCCacheUnusable, CodeCCacheUnusable}},
		{"KCM without a daemon", sound, func(in *Input) { in.Env.CCacheName = "KCM:" }, []string{CodeCCacheUnusable}},
		{"KCM with one", sound, func(in *Input) { in.Env.CCacheName, in.Env.KCM = "KCM:", true }, nil},
		{"cache of another user", sound, func(in *Input) {
			in.Env.CCacheName, in.Env.UID, in.Env.CacheFile = "/tmp/krb5cc_0", 1000, &CacheFile{UID: 0, Mode: 0o600}
		}, []string{CodeCCacheUnusable}},
		{"cache that others may read", sound, func(in *Input) {
			in.Env.CCacheName, in.Env.CacheFile = "FILE:/tmp/krb5cc_0", &CacheFile{UID: 0, Mode: 0o644}
		}, []string{CodeCCacheUnusable}},
		{"cache in order", sound, func(in *Input) {
			in.Env.CCacheName, in.Env.CacheFile = "FILE:/tmp/krb5cc_0", &CacheFile{UID: 0, Mode: 0o600}
		}, nil},
		{"unknown type", sound, func(in *Input) { in.Env.CCacheName = "NOTHING:x" }, []string{CodeCCacheUnusable}},
		{"cache named by the file", strings.Replace(sound, "rdns = false\n", "rdns = false\n    default_ccache_name = KEYRING:persistent:%{uid}\n", 1),
			func(in *Input) { in.Env.Container = true }, []string{CodeCCacheUnusable, CodeCCacheUnusable}},
	} {
		t.Run(c.name, func(t *testing.T) {
			issues := lintText(c.text, c.change)
			if got := codesOf(issues); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v\n%+v", got, c.want, issues)
			}
			for _, i := range issues {
				if i.Cause == "" || i.Remedy == "" {
					t.Errorf("%s without a cause or a remedy", i.Code)
				}
			}
		})
	}
}

func unordered() []site.Realm {
	realms := slices.Clone(trapSite().Realms[:2])
	realms[0].KDCs, realms[1].KDCs = nil, []string{"b.test:88"}
	return append(realms, site.Realm{Name: "C.TEST", KDCs: []string{"10.0.0.1:88"}}, site.Realm{Name: "D.TEST", KDCs: []string{"dc1.d.test:88", "dc2.d.test:88"}})
}

func TestLintPlaceAndExcerpt(t *testing.T) {
	issues := lintText(strings.Replace(soundText(t), "udp_preference_limit = 1", "udp_preference_limit = 0 ", 1), nil)
	if len(issues) != 1 {
		t.Fatalf("%+v", issues)
	}
	i := issues[0]
	if i.At != (conf.Pos{File: soundPath, Line: 5, Column: 5}) || i.Excerpt != "udp_preference_limit = 0" || !slices.Equal(i.Readers, []reader.Reader{reader.Java}) {
		t.Errorf("%+v", i)
	}
}

// TestLintUnreadable is for what can stand in the place of the file.
func TestLintUnreadable(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, path := range map[string]string{
		"directory": dir, "10 MiB": write("big", strings.Repeat("# 16 bytes long\n", 10<<16)), "binary": write("binary", "\x7fELF\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			issues := Issues(Input{Set: conf.Load(conf.Disk{}, path), Path: path, Site: trapSite()})
			if len(issues) != 1 || issues[0].Code != CodeUnparsable || issues[0].Severity != krb5conf.SeverityError || len(issues[0].Readers) != 4 {
				t.Errorf("%+v", issues)
			}
		})
	}
	set := conf.Load(conf.Texts{Files: map[string]string{soundPath: ""}}, soundPath)
	set.Docs[soundPath].Err = &fs.PathError{Op: "open", Path: soundPath, Err: fs.ErrPermission}
	if issues := Issues(Input{Set: set, Path: soundPath, Site: trapSite()}); codesOf(issues)[0] != CodeUnparsable {
		t.Errorf("file that may not be read: %+v", issues)
	}
}

// TestLintKnowsNothingOfTheSite is lint on a host where nothing is configured.
func TestLintKnowsNothingOfTheSite(t *testing.T) {
	set := conf.Load(conf.Texts{Files: map[string]string{soundPath: soundText(t)}}, soundPath)
	if issues := Issues(Input{Set: set, Path: soundPath}); len(issues) != 0 {
		t.Errorf("%+v", issues)
	}
}

func BenchmarkLint(b *testing.B) {
	text := benchText()
	in := Input{Path: soundPath, Site: trapSite()}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		in.Set = conf.Load(conf.Texts{Files: map[string]string{soundPath: text}}, soundPath)
		if len(Issues(in)) > 3 {
			b.Fatal("the file is meant to be sound")
		}
	}
}

// benchText is a sound file of 10 KiB.
func benchText() string {
	var s strings.Builder
	s.WriteString("[libdefaults]\n    default_realm = A.TEST\n    rdns = false\n    dns_canonicalize_hostname = false\n    udp_preference_limit = 1\n    dns_lookup_realm = false\n    dns_lookup_kdc = true\n\n[realms]\n")
	for i := range 26 {
		c := string(rune('A' + i))
		s.WriteString("    " + c + ".TEST = {\n        # two domain controllers\n        kdc = dc1." + strings.ToLower(c) + ".test\n        kdc = dc2." + strings.ToLower(c) + ".test\n        kpasswd_server = dc1." + strings.ToLower(c) + ".test:464\n    }\n")
	}
	s.WriteString("\n[domain_realm]\n    .rds.amazonaws.com = A.TEST\n    .a.test = A.TEST\n")
	for i := 0; s.Len() < 10<<10; i++ {
		s.WriteString("    host" + strings.Repeat("x", i%5) + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ".example.test = B.TEST\n")
	}
	return s.String()
}
