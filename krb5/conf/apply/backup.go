package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"golang.org/x/sys/unix"
)

// The newest maxBackups versions are kept, whatever is in them, and beside them
// the first one and one of each text that is not kerbagent's: maxForeign in all.
const (
	maxBackups = 10
	maxForeign = 50
)

// backup is a version that was replaced: a hard link to the file as it was,
// owner, mode and attributes included, so making and taking it back are one
// system call each.
type backup struct {
	name   string
	number int
	none   bool // there was no file: the backup is an empty one, and says so by its name
	spent  bool // Rollback has passed it: it is kept for people, and never put back
}

const (
	noneSuffix  = "-none"
	spentSuffix = "-spent"
)

// backups lists them, the newest first.
func (t *target) backups() ([]backup, error) {
	fd, err := unix.Openat(int(t.fd.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	d := os.NewFile(uintptr(fd), t.dir)
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var found []backup
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, t.prefix())
		if !ok {
			continue
		}
		rest, spent := strings.CutSuffix(rest, spentSuffix)
		digits, none := strings.CutSuffix(rest, noneSuffix)
		if n, err := strconv.Atoi(digits); err == nil && n > 0 {
			found = append(found, backup{name, n, none, spent})
		}
	}
	slices.SortFunc(found, func(a, b backup) int { return b.number - a.number })
	return found, nil
}

// backUp keeps the file under the next number, and returns its path.
func (t *target) backUp() (string, error) {
	all, err := t.backups()
	if err != nil {
		return "", err
	}
	next := 1
	if len(all) > 0 {
		next = all[0].number + 1
		if !all[0].spent && t.same(all[0]) { // left by a process that was killed right behind this
			return filepath.Join(t.dir, all[0].name), nil
		}
	}
	name := fmt.Sprintf("%s%06d", t.prefix(), next)
	if t.exists {
		return filepath.Join(t.dir, name), t.link(t.base, name)
	}
	name += noneSuffix
	return filepath.Join(t.dir, name), t.do("create backup", func() error {
		fd, err := unix.Openat(int(t.fd.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
}

// same reports whether a backup is the file as it is now.
func (t *target) same(b backup) bool {
	if b.none || !t.exists {
		return b.none && !t.exists
	}
	var st unix.Stat_t
	err := unix.Fstatat(int(t.fd.Fd()), b.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Ino == t.stat.Ino && st.Dev == t.stat.Dev
}

// prune removes what need not be kept: an old version of which only kerbagent's
// own part differs from one that stays.
func (t *target) prune() error {
	all, err := t.backups()
	if err != nil {
		return t.explain("listing the backups of", err)
	}
	var foreign []string // of those that stay
	stay := map[string]bool{}
	for i, b := range slices.Backward(all) { // the first version before all others
		text := t.foreignText(b)
		if b.number == all[len(all)-1].number || !slices.Contains(foreign, text) {
			foreign = append(foreign, text)
			stay[b.name] = true
		}
		stay[b.name] = stay[b.name] || i < maxBackups
	}
	kept := 0
	for i, b := range all {
		if stay[b.name] && (kept < maxForeign-1 || i == len(all)-1) {
			kept++
			continue
		}
		if err := t.unlink(b.name); err != nil {
			return t.explain("removing an old backup of", err)
		}
	}
	return nil
}

// foreignText is what a backup has that kerbagent would not write by itself: in
// block style all but the block, else all of it but for the order of KDCs. A
// backup that cannot be read is like no other.
func (t *target) foreignText(b backup) string {
	text, _, err := (conf.Disk{}).ReadFile(filepath.Join(t.dir, b.name))
	if err != nil {
		return b.name
	}
	if t.req.Style == site.Block {
		if outside, err := site.Without(text); err == nil {
			text = outside
		}
	}
	return fmt.Sprint(b.none) + sortKDCs(text)
}

// onlyReordered reports whether two texts differ in the order of KDCs alone.
func onlyReordered(a, b string) bool { return sortKDCs(a) == sortKDCs(b) }

// sortKDCs sorts each run of lines that name the servers of a realm.
func sortKDCs(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for from := 0; from < len(lines); from++ {
		to := from
		for to < len(lines) && serverKey(lines[to]) != "" && serverKey(lines[to]) == serverKey(lines[from]) {
			to++
		}
		slices.Sort(lines[from:to])
		from = max(from, to-1)
	}
	return strings.Join(lines, "")
}

// serverKey is the key of a line that names a server of a realm, else "".
func serverKey(line string) string {
	key, _, _ := strings.Cut(line, "=")
	if key = strings.TrimSpace(key); key == "kdc" || key == "kpasswd_server" {
		return key
	}
	return ""
}

// Rollback puts the last good version back: the newest backup that differs
// from what is there, parses, and has what the site needs; or, where none has
// (a file of before kerbagent), the newest that parses, and Change.Lacks says
// what it is without. Of a file that is not all ours, only our block goes back.
// Text of the request is not used.
func Rollback(ctx context.Context, req Request) (*Change, error) {
	t, err := lockTarget(ctx, req)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if err := t.read(); err != nil {
		return nil, err
	}
	all, err := t.backups()
	if err != nil {
		return nil, t.explain("listing the backups of", err)
	}
	var best *Change
	at := 0
	var why []error
	for i, b := range all {
		if b.spent {
			continue
		}
		c, err := t.earlier(b)
		if err != nil {
			why = append(why, fmt.Errorf("%s: %w", b.name, err))
			continue
		}
		if c.Needed() && (best == nil || c.Lacks == nil) {
			best, at = c, i
		}
		if best != nil && best.Lacks == nil {
			break
		}
	}
	if best == nil {
		return nil, fmt.Errorf("rolling back %s: %w", t.path, errors.Join(append([]error{ErrNoBackup}, why...)...))
	}
	if err := t.takeBack(ctx, best, all[at]); err != nil {
		return nil, err
	}
	// What is newer was no good, or is what has just been taken away. It is not
	// put back again, but a person's text may be in it.
	for _, newer := range all[:at+1] {
		if newer.spent {
			continue
		}
		if err := t.rename(newer.name, newer.name+spentSuffix); err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, t.explain("setting aside a backup of", err)
		}
	}
	return best, t.prune()
}

// earlier returns the change that a backup would make, or why it is no good.
func (t *target) earlier(b backup) (*Change, error) {
	c := &Change{Path: t.path, Existed: true, Old: t.text}
	if !b.none {
		var err error
		if c.New, _, err = (conf.Disk{}).ReadFile(filepath.Join(t.dir, b.name)); err != nil {
			return nil, err
		}
	}
	if t.req.Style == site.Block {
		var err error
		if own, had := site.OwnedText(site.Block, c.New); had {
			c.New, err = site.Compose(site.Block, t.text, own)
		} else {
			c.New, err = site.Without(t.text)
		}
		if err != nil {
			return nil, err
		}
	}
	c.Removed = b.none && c.New == "" && t.exists
	set, err := t.sound(c.New)
	if err != nil {
		return nil, err
	}
	c.Lacks = t.req.Site.Covers(set)
	return c, nil
}

// takeBack makes the change, and keeps what is taken away for people to look at.
func (t *target) takeBack(ctx context.Context, c *Change, b backup) (err error) {
	from := b.name
	if t.req.Style == site.Block && !c.Removed { // the rest of the file is not ours to take back
		from = t.candidate()
		defer func() {
			if err != nil {
				t.unlink(from) // it may not be there
			}
		}()
		if err := t.write(c.New); err != nil {
			return t.explain("writing the candidate", err)
		}
	}
	if !c.Removed {
		if c.Asked, err = t.validate(ctx, from); err != nil {
			return fmt.Errorf("validating the earlier version of %s: %w", t.path, err)
		}
	}
	if from == t.candidate() {
		if err := t.likeOld(from); err != nil {
			return t.explain("writing the candidate", err)
		}
	}
	if t.exists {
		if err := t.unlink(t.rejected()); err != nil && !errors.Is(err, unix.ENOENT) {
			return t.explain("removing the earlier rejected version of", err)
		}
		if err := t.link(t.base, t.rejected()); err != nil {
			return t.explain("keeping the rejected version of", err)
		}
		c.Backup = filepath.Join(t.dir, t.rejected())
	}
	if err := t.ready(ctx); err != nil {
		return err
	}
	if c.Removed {
		if err := t.unlink(t.base); err != nil {
			return t.explain("removing", err)
		}
	} else if err := t.rename(from, t.base); err != nil {
		return t.explain("replacing", err)
	}
	if err := t.syncDir(); err != nil {
		return t.explain("syncing the directory of", err)
	}
	return nil
}
