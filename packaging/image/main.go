// Command image writes an OCI image layout with one image for each binary that it
// is given: the program alone, from scratch, for a user that is not root. The
// same files and the same time make the same bytes; no daemon is needed.
//
//	image -version 1.2.3 -epoch 1700000000 DIR amd64=FILE arm64=FILE
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is who runs in the container, by number: `runAsNonRoot` of Kubernetes
// takes no name. 65532 is the customary one of images without a distribution.
const user = 65532

// state is the only directory that is written to.
const state = "/var/lib/kerbagent"

func main() {
	log.SetFlags(0)
	version := flag.String("version", "", "version of kerbagent")
	epoch := flag.Int64("epoch", 0, "time of everything in the image, in seconds since 1970")
	flag.Parse()
	if flag.NArg() < 2 {
		log.Fatal("usage: image -version V -epoch SECONDS DIR ARCH=FILE...")
	}
	if err := write(flag.Arg(0), flag.Args()[1:], *version, time.Unix(*epoch, 0).UTC()); err != nil {
		log.Fatal(err)
	}
}

// write makes the layout: an index of the version's name, and in it an image for
// each architecture.
func write(dir string, binaries []string, version string, made time.Time) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range binaries {
		arch, file, ok := strings.Cut(b, "=")
		if !ok {
			return fmt.Errorf("%s is not ARCH=FILE", b)
		}
		image, err := one(arch, file, version, made)
		if err != nil {
			return fmt.Errorf("image for %s: %w", arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	// The name that skopeo, podman and buildah ask for: oci:DIR:VERSION (OCI image spec, annotations).
	name := map[string]string{"org.opencontainers.image.ref.name": version}
	return path.ReplaceIndex(index, match.Name(version), layout.WithAnnotations(name))
}

func one(arch, file, version string, made time.Time) (v1.Image, error) {
	program, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	content, err := layer(program, made)
	if err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.Append(image, mutate.Addendum{Layer: l, History: v1.History{Created: v1.Time{Time: made}, CreatedBy: "packaging/image"}}); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: made}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", user, user),
		Entrypoint: []string{"/usr/bin/kerbagent"},
		Cmd:        []string{"run"},
		// As the unit and systemd have it (systemd/kerbagent.service).
		Env:          []string{"PATH=/usr/bin", "GOMAXPROCS=1", "GOGC=50", "STATE_DIRECTORY=" + state},
		Volumes:      map[string]struct{}{state: {}},
		ExposedPorts: map[string]struct{}{"10088/tcp": {}},
		WorkingDir:   "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "kerbagent",
			"org.opencontainers.image.version":  version,
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.source":   "https://github.com/kerbagent/kerbagent",
		},
	}
	return mutate.ConfigFile(image, config)
}

// layer is the one layer's tar: the program, the state directory of its user, and /tmp.
func layer(program []byte, made time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	dir := func(name string, mode int64, owner int) tar.Header {
		return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: owner, Gid: owner}
	}
	for _, h := range []tar.Header{
		dir("etc/", 0o755, 0), dir("etc/kerbagent/", 0o755, 0),
		dir("tmp/", 0o1777, 0), // for rehearse; on a read-only root the engine mounts a tmpfs there
		dir("usr/", 0o755, 0), dir("usr/bin/", 0o755, 0),
		{Typeflag: tar.TypeReg, Name: "usr/bin/kerbagent", Mode: 0o755, Size: int64(len(program))},
		dir("var/", 0o755, 0), dir("var/lib/", 0o755, 0), dir("var/lib/kerbagent/", 0o700, user),
	} {
		h.ModTime, h.Format = made, tar.FormatUSTAR
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(program); err != nil {
				return nil, err
			}
		}
	}
	err := w.Close()
	return out.Bytes(), err
}
