package awsview

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/kerbagent/kerbagent/config"
)

// Fresh is how old a reading may be that `kerbagent check --aws` shows in place of one
// of its own: who runs it again and again costs the account's API limits nothing.
const Fresh = 5 * time.Minute

// maxCache is above what the bounds of a view allow.
const maxCache = 4 << 20

// Cache is the latest reading on disk, of the daemon's or a check's.
type Cache struct {
	Path string
	Now  func() time.Time
}

// CacheIn returns the cache in a state directory.
func CacheIn(dir string, now func() time.Time) Cache {
	return Cache{Path: filepath.Join(dir, "aws-view.json"), Now: now}
}

type cached struct {
	For   string
	Views []View
}

// Load returns a reading for a configuration that is not older than within.
func (c Cache) Load(cfg *config.Config, within time.Duration) ([]View, bool) {
	f, err := os.OpenFile(c.Path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCache))
	var kept cached
	if err != nil || json.Unmarshal(b, &kept) != nil || kept.For != keyOf(cfg) || len(kept.Views) == 0 {
		return nil, false
	}
	now := c.Now()
	if slices.ContainsFunc(kept.Views, func(v View) bool { return v.Read.After(now) || now.Sub(v.Read) > within }) {
		return nil, false
	}
	return kept.Views, true
}

// Store keeps a reading, unless another one may see more.
func (c Cache) Store(cfg *config.Config, views []View) error {
	if slices.ContainsFunc(views, func(v View) bool { return v.Partial || v.Refused != "" }) {
		return nil
	}
	b, err := json.Marshal(cached{keyOf(cfg), views})
	if err == nil {
		err = renameio.WriteFile(c.Path, b, 0o600, renameio.IgnoreUmask())
	}
	if err != nil {
		return fmt.Errorf("keeping what AWS reports: %w", err)
	}
	return nil
}

// keyOf says for which configuration and whose credentials a reading is.
func keyOf(cfg *config.Config) string {
	parts := []string{cfg.AWS.Region, cfg.AWS.Profile}
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL"} {
		parts = append(parts, os.Getenv(name))
	}
	for _, db := range cfg.Databases {
		parts = append(parts, db.Name, db.Endpoint())
	}
	for _, r := range cfg.Realms {
		parts = append(parts, r.Name)
	}
	b, _ := json.Marshal(parts) // texts: it cannot fail
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
