package site

import (
	"errors"
	"strings"
	"testing"
)

func TestComposeBlock(t *testing.T) {
	const ours = "[libdefaults]\n    rdns = false\n"
	block := beginMark + "\n" + ours + EndMark + "\n"
	for _, c := range []struct{ name, current, want string }{
		{"empty", "", block},
		{"in front of the first section", "# theirs\n[realms]\n", "# theirs\n" + block + "[realms]\n"},
		{"behind their includes", "includedir /etc/krb5.conf.d/\n\n  [realms]\n", "includedir /etc/krb5.conf.d/\n\n" + block + "  [realms]\n"},
		{"no section", "# theirs", "# theirs\n" + block},
		{"DOS line ends", "# theirs\r\n[realms]\r\n", "# theirs\r\n" + block + "[realms]\r\n"},
		{"in the place of the old one", "a\n" + beginMark + "\nold\n\nolder\n" + EndMark + "\n[b]\nc", "a\n" + block + "[b]\nc"},
		{"old one with DOS line ends", "a\n" + beginMark + "\r\nold\r\n" + EndMark + "\r\n[b]", "a\n" + block + "[b]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Compose(Block, c.current, ours)
			if err != nil || got != c.want {
				t.Fatalf("got  %q, %v\nwant %q", got, err, c.want)
			}
			if again, err := Compose(Block, got, ours); err != nil || again != got {
				t.Errorf("not the same a second time: %q, %v", again, err)
			}
			if own, ok := OwnedText(Block, got); !ok || own != ours {
				t.Errorf("our part is %q", own)
			}
			without, err := Without(got)
			if theirs, _ := Without(c.current); err != nil || strings.TrimSuffix(without, "\n") != strings.TrimSuffix(theirs, "\n") {
				t.Errorf("without our block %q, %v", without, err)
			}
		})
	}
}

func TestComposeDamagedMarkers(t *testing.T) {
	for name, text := range map[string]string{
		"no end":         beginMark + "\n[realms]\n",
		"no beginning":   "[realms]\n" + EndMark + "\n",
		"two beginnings": beginMark + "\n" + beginMark + "\n" + EndMark + "\n",
		"two ends":       beginMark + "\n" + EndMark + "\n" + EndMark + "\n",
		"two blocks":     beginMark + "\n" + EndMark + "\n" + beginMark + "\n" + EndMark + "\n",
		"wrong order":    EndMark + "\n" + beginMark + "\n",
	} {
		if got, err := Compose(Block, text, "x\n"); !errors.Is(err, ErrMarkers) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// FuzzCompose holds what people wrote to stay as it is, byte for byte.
func FuzzCompose(f *testing.F) {
	f.Add("[realms]\n", "[libdefaults]\n")
	f.Add("include /a\n# x\r\n [a]", "b")
	f.Add(beginMark+"\nold\n"+EndMark+"\nx", "new\n")
	f.Fuzz(func(t *testing.T, current, ours string) {
		if strings.Contains(ours, beginMark) || strings.Contains(ours, EndMark) {
			return
		}
		theirs, err := Without(current)
		if err != nil {
			return
		}
		got, err := Compose(Block, current, ours)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := Without(got)
		if err != nil {
			t.Fatal(err)
		}
		if kept != theirs && kept != theirs+"\n" {
			t.Fatalf("theirs was %q and is %q", theirs, kept)
		}
	})
}
