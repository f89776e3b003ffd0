package apply

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/krb5/conf/site"
)

// Whoever may write the directory of the file can put a link in its place between two
// looks at it. Root once replaced what the link led to.
func TestALinkThatComesAndGoesLeadsNowhere(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim.conf")
	must(t, os.Chmod(dir, 0o777))
	path, link := filepath.Join(dir, "krb5.conf"), filepath.Join(dir, "link")
	write(t, victim, theirs)
	write(t, path, theirs)
	must(t, os.Symlink(victim, link))
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, link, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
			}
		}
	})
	defer swapping.Wait()
	defer close(stop)
	for n := range 3000 {
		target, err := openTarget(Request{Path: path, Style: site.WholeFile})
		if err != nil {
			continue
		}
		at := target.path
		target.close()
		if at != path {
			t.Fatalf("look %d led to %s", n, at)
		}
	}
}
