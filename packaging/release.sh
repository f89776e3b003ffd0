#!/bin/bash
# release.sh [DIR]: makes in DIR (dist) everything that a release page needs. The same commit and key make the same bytes.
#   *.deb *.rpm *.tar.gz        for linux amd64 and arm64, the rpm signed
#   *.cdx.json                  what each is made of (CycloneDX)
#   apt/ rpm/                   trees for apt and dnf, signed
#   image/                      an OCI image layout with both architectures: oci:image:VERSION, with - in place of ~
#   kerbagent.asc               the public key
#   SHA256SUMS SHA256SUMS.asc   of all files above
# KEY=FILE is the secret key that signs, as `gpg --export-secret-keys` writes it, without a passphrase. ARCHES, VERSION and
# SOURCE_DATE_EPOCH are those of build.sh. It needs Debian's apt-utils, createrepo-c, gnupg and rpm, and no root.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
SBOM=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

die() { echo "release: $*" >&2; exit 1; }
[ -r "${KEY:-}" ] || die "KEY=FILE names the secret key that signs"
for p in apt-ftparchive createrepo_c gpg rpmsign; do command -v $p > /dev/null || die "$p is missing (apt-utils, createrepo-c, gnupg, rpm)"; done
out=$(mkdir -p "${1:-dist}" && cd "${1:-dist}" && pwd -P)
[ -z "$(ls -A "$out")" ] || die "$out is not empty"
ARCHES=${ARCHES:-amd64 arm64}
export ARCHES SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

scratch=$(mktemp -d)
export GNUPGHOME=$scratch/gnupg STAGE=$scratch/stage
mkdir -m 0700 "$GNUPGHOME" "$STAGE"
trap 'gpgconf --kill all; rm -rf "$scratch"' EXIT
gpg --batch --quiet --import "$KEY"
# fpr: the key's; a signature is as old as the commit, but no older than its key
read -r fpr made < <(gpg --batch --with-colons --list-secret-keys | awk -F: '$1 == "sec" { t = $6 } $1 == "fpr" { print $10, t; exit }')
signed=$((SOURCE_DATE_EPOCH > made ? SOURCE_DATE_EPOCH : made))
sign() {
  local log=$scratch/gpg.log
  # It warns of the time that it is told to use, at each signature.
  gpg --batch --quiet --yes --no-emit-version --faked-system-time "$signed!" --digest-algo SHA512 --local-user "$fpr" "$@" 2> "$log" || { cat "$log" >&2; return 1; }
}

packaging/build.sh "$out" > /dev/null
version=$(cd "$out" && echo kerbagent-*-linux-"${ARCHES%% *}".tar.gz)
version=${version#kerbagent-} version=${version%-linux-*}
gpg --batch --armor --export-options export-minimal --export "$fpr" > "$out/kerbagent.asc"

GOBIN=$scratch go install "$SBOM"
for arch in $ARCHES; do
  # For that architecture; without a time and a number of its own it is the same each time.
  GOOS=linux GOARCH=$arch CGO_ENABLED=0 "$scratch/cyclonedx-gomod" app -json -licenses -noserial -notimestamp \
    -main cmd/kerbagent -output "$out/kerbagent-$version-linux-$arch.cdx.json" .
done

rpmsign --define "__gpg $(command -v gpg)" --define "_gpg_name $fpr" --define "_gpg_sign_cmd_extra_args --faked-system-time $signed! --digest-algo SHA512" \
  --addsign "$out"/*.rpm > /dev/null

mkdir -p "$out/apt/pool/main/k/kerbagent"
ln "$out"/*.deb "$out/apt/pool/main/k/kerbagent/"
(
  cd "$out/apt"
  for arch in $ARCHES; do
    d=dists/stable/main/binary-$arch
    mkdir -p "$d"
    apt-ftparchive --arch "$arch" packages pool > "$d/Packages"
    gzip -9nk "$d/Packages"
  done
  apt-ftparchive -o APT::FTPArchive::Release::Origin=kerbagent -o APT::FTPArchive::Release::Label=kerbagent \
    -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
    -o APT::FTPArchive::Release::Components=main -o "APT::FTPArchive::Release::Architectures=$ARCHES" release dists/stable |
    sed "s/^Date: .*/Date: $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")/" > "$scratch/Release"
  mv "$scratch/Release" dists/stable/Release
  sign --clearsign --output dists/stable/InRelease dists/stable/Release
  sign --armor --detach-sign --output dists/stable/Release.gpg dists/stable/Release
)

mkdir -p "$out/rpm"
ln "$out"/*.rpm "$out/rpm/"
find "$out/rpm" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
createrepo_c --quiet --no-database --revision "$SOURCE_DATE_EPOCH" --set-timestamp-to-revision "$out/rpm"
sign --armor --detach-sign --output "$out/rpm/repodata/repomd.xml.asc" "$out/rpm/repodata/repomd.xml"

programs=()
for arch in $ARCHES; do programs+=("$arch=$STAGE/kerbagent-$arch"); done
# The name of an image has no ~ and no + (OCI distribution spec, "Pulling manifests"): 1.3.0~rc.1 is 1.3.0-rc.1 there.
go run -C packaging/image . -version "${version//[~+]/-}" -epoch "$SOURCE_DATE_EPOCH" "$out/image" "${programs[@]}"

(
  cd "$out"
  find . -type f ! -name 'SHA256SUMS*' -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum > "$scratch/sums"
  mv "$scratch/sums" SHA256SUMS
  sign --armor --detach-sign --output SHA256SUMS.asc SHA256SUMS
)
ls "$out"
