#!/bin/bash
# build.sh [DIR]: makes deb and rpm packages and tar.gz archives for linux amd64 and arm64 in DIR (dist). The same commit makes
# the same bytes.
#   ARCHES="amd64"        only for some
#   VERSION=1.2.3         another version than the one of the commit: its tag, or 0.0.0~TIME.COMMIT
#   SOURCE_DATE_EPOCH     another date than the commit's
#   STAGE                 an empty directory that keeps the programs, as kerbagent-ARCH
# It needs bash, git, tar, gzip and Go; nfpm is built from its sources.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0 # the newest whose dependencies can all be had

die() { echo "build: $*" >&2; exit 1; }
out=$(mkdir -p "${1:-dist}" && cd "${1:-dist}" && pwd -P)
if [ -z "${STAGE:-}" ]; then STAGE=$(mktemp -d); trap 'rm -rf "$STAGE"' EXIT; fi
export STAGE CGO_ENABLED=0
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

# compile ARCH FILE. -buildvcs: the version comes from git, as in `go install`.
compile() { GOOS=linux GOARCH=$1 go build -trimpath -buildvcs=true -ldflags='-s -w' -o "$2" ./cmd/kerbagent; }

# v1.3.0-rc.1 is 1.3.0~rc.1 in a package: before 1.3.0, in both formats.
package_version() {
  local v
  v=$(go version -m "$1" | awk '$1 == "mod" { print $3 }')
  v=${v#v}
  # Go looks for a directory .git: of a worktree (git worktree add) or an unpacked archive it knows no version.
  [[ $v =~ ^[0-9]+\. ]] || die "Go cannot tell the version here: build in a clone (git clone), not in a worktree or an unpacked archive"
  case $v in *-*) v=${v%%-*}~$(tr - . <<< "${v#*-}") ;; esac
  echo "$v"
}

# The licences of what is linked in, and Go's own.
third_party() {
  local path version dir f
  printf 'Go %s\n\n' "$(go env GOVERSION)"
  cat "$(go env GOROOT)/LICENSE"
  go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/kerbagent | LC_ALL=C sort -u |
    while read -r path version dir; do
      printf '\n\n======== %s %s\n' "$path" "$version"
      for f in "$dir"/{LICENSE,LICENCE,COPYING,NOTICE}*; do
        [ ! -f "$f" ] || { printf '\n'; cat "$f"; }
      done
    done
}

# archive ARCH: for a host whose packages are neither; systemd.md says where each file belongs.
archive() {
  local name=kerbagent-$VERSION-linux-$1
  mkdir -p "$STAGE/$name"
  cp -R "$STAGE/man" "$STAGE/completion" "$STAGE/third-party.gz" systemd examples packaging/selinux LICENSE README.md CHANGELOG.md "$STAGE/$name/"
  rm -f "$STAGE/$name"/systemd/*.go
  cp "$STAGE/kerbagent-$1" "$STAGE/$name/kerbagent"
  chmod -R u=rwX,go=rX "$STAGE/$name"
  tar -C "$STAGE" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$name" |
    gzip -9n > "$out/${name}.tar.gz"
  rm -rf "${STAGE:?}/$name"
}

mkdir -p "$STAGE/man" "$STAGE/completion"
host=$STAGE/kerbagent-$(go env GOHOSTARCH)
compile "$(go env GOHOSTARCH)" "$host"
VERSION=${VERSION:-$(package_version "$host")}
export VERSION
"$host" man "$STAGE/man"
gzip -9n "$STAGE"/man/*
for shell in bash zsh fish; do "$host" completion "$shell" > "$STAGE/completion/kerbagent.$shell"; done
third_party | gzip -9n > "$STAGE/third-party.gz"
gzip -9nc CHANGELOG.md > "$STAGE/changelog.gz"
gzip -9n > "$STAGE/changelog.Debian.gz" << EOF
kerbagent ($VERSION-1) stable; urgency=medium

  * changelog.gz says what is new.

 -- The kerbagent authors <kerbagent@users.noreply.github.com>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
EOF

for ARCH in ${ARCHES:-amd64 arm64}; do
  export ARCH
  [ -e "$STAGE/kerbagent-$ARCH" ] || compile "$ARCH" "$STAGE/kerbagent-$ARCH"
  ln -f "$STAGE/kerbagent-$ARCH" "$STAGE/kerbagent"
  for format in deb rpm; do
    go run "$NFPM" package --config packaging/nfpm.yaml --packager "$format" --target "$out" >&2
  done
  archive "$ARCH"
done
ls "$out"
