#!/usr/bin/env bash
# The two halves of a release: `release.sh draft FOLDER` makes a draft of the archives in the folder; `release.sh publish TAG`
# publishes it when the tagged commit adds exactly its checksums to the commit that was built.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
platforms=(x86_64-linux aarch64-linux aarch64-macos)

# The committed list without this version's lines, then its lines: other versions stay installable.
list() {
  local folder=$1 base=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/releases/download/v$version platform archive
  awk -v version="$version" '/^#/ || $2 != version' action/checksums.txt
  for platform in "${platforms[@]}"; do
    archive=tollgate-$version-$platform.tar.gz
    printf '%s  %s  %s  %s\n' "$(sha256 "$folder/$archive")" "$version" "$platform" "$base/$archive"
  done
}

draft() {
  local folder=$1 platform
  for platform in "${platforms[@]}"; do
    [[ -f $folder/tollgate-$version-$platform.tar.gz ]] || fail "there is no archive for $platform"
  done
  list "$folder" >"$folder/checksums.txt"
  (cd -- "$folder" && for file in *.tar.gz; do printf '%s  %s\n' "$(sha256 "$file")" "$file"; done >SHA256SUMS)
  gh release create "v$version" --draft --target "$GITHUB_SHA" --title "Tollgate $version" \
    --notes "Built from $GITHUB_SHA. Verify an archive by \`gh attestation verify\`." \
    "$folder"/*.tar.gz "$folder/SHA256SUMS" "$folder/checksums.txt"
}

publish() {
  local tag=$1 folder built
  [[ $tag == "v$version" ]] || fail "the tag $tag is not the version $version of Cargo.toml"
  folder=$(mktemp -d)
  gh release download "$tag" --dir "$folder"
  built=$(gh release view "$tag" --json targetCommitish --jq .targetCommitish)
  [[ $built == "$(git rev-parse HEAD^)" ]] || fail "the draft was built from $built, which is not the commit before $tag"
  [[ $(git diff --name-only HEAD^ HEAD) == action/checksums.txt ]] || fail "the commit of $tag changes more than action/checksums.txt"
  # What is compared is the files themselves, not the list that came with them.
  cmp -- <(list "$folder") action/checksums.txt || fail "action/checksums.txt is not what the archives of the draft give"
  gh release edit "$tag" --draft=false
}

case ${1:-} in
  draft) draft "$2" ;;
  publish) publish "$2" ;;
  *) fail "release.sh draft FOLDER, or release.sh publish TAG" ;;
esac
