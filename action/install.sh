#!/usr/bin/env bash
# Gets a Tollgate whose checksum somebody vouched for: the one that the environment names, a release archive listed in
# checksums.txt, or one built here from the action's own sources. A checksum that differs is an error, whatever else there is.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

here=$(cd -- "$(dirname "$0")" && pwd)
own_version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$GITHUB_ACTION_PATH/Cargo.toml" | head -n 1)
version=${IN_VERSION:-$own_version}
platform=$(platform)
folder=$(mktemp -d "$RUNNER_TEMP/tollgate-XXXXXX")

finish() {
  output binary "$1"
  output sha256 "$(sha256 "$1")"
  printf 'Tollgate: %s (%s)\n' "$(without_secrets "$1" --version)" "$2"
  exit 0
}

# For images that have Tollgate in them, and for tests of this action.
given() {
  if [[ -z ${TOLLGATE_BINARY_SHA256:-} ]]; then
    fail "TOLLGATE_BINARY is set without TOLLGATE_BINARY_SHA256; set both, or neither"
  fi
  cp -- "$TOLLGATE_BINARY" "$folder/tollgate" || fail "TOLLGATE_BINARY names no file that can be read"
  if [[ $(sha256 "$folder/tollgate") != "$TOLLGATE_BINARY_SHA256" ]]; then
    fail "the checksum of TOLLGATE_BINARY is not TOLLGATE_BINARY_SHA256; nothing else is tried"
  fi
  chmod +x "$folder/tollgate"
  finish "$folder/tollgate" "named by TOLLGATE_BINARY"
}

from_source() {
  if [[ $version != "$own_version" ]]; then
    fail "$1, and the action has the sources of $own_version only; pin the action at the release of $version, or leave \`version\` out"
  fi
  if [[ $IN_BUILD_FROM_SOURCE == never ]]; then
    fail "$1, and \`build-from-source\` is \`never\`; let it be \`auto\`"
  fi
  notice "$1; building it from the action's own sources, which takes some minutes"
  bash "$here/build.sh" "$folder"
  finish "$folder/tollgate" "built from source"
}

if [[ -n ${TOLLGATE_BINARY:-} ]]; then given; fi
if [[ $IN_BUILD_FROM_SOURCE == always ]]; then from_source "build-from-source is \`always\`"; fi

# Lines of checksums.txt: SHA-256, version, platform, address.
listed=$(awk -v version="$version" -v platform="$platform" \
  '$1 !~ /^#/ && $2 == version && $3 == platform { print $1, $4 }' "${TOLLGATE_CHECKSUMS:-$here/checksums.txt}")
if [[ -z $listed ]]; then
  from_source "there is no prebuilt Tollgate $version for $platform in action/checksums.txt"
fi
if [[ $listed == *$'\n'* ]]; then fail "action/checksums.txt lists Tollgate $version for $platform twice"; fi
expected=${listed%% *}
url=${listed#* }
# Plain HTTP is for tests on this machine alone.
case $url in
  https://* | http://127.0.0.1:*) ;;
  *) fail "action/checksums.txt has an address that is not HTTPS" ;;
esac
archive=$folder/tollgate.tar.gz
if ! without_secrets curl --fail --silent --show-error --location --proto-redir =https \
  --retry 3 --connect-timeout 20 --max-time 300 --output "$archive" -- "$url"; then
  from_source "the download of Tollgate $version for $platform failed"
fi
if [[ $(sha256 "$archive") != "$expected" ]]; then
  fail "what was downloaded as Tollgate $version for $platform does not have the checksum in action/checksums.txt; nothing else is tried"
fi
tar -xzf "$archive" -C "$folder" --strip-components 1
if ! without_secrets "$folder/tollgate" --version >/dev/null; then
  from_source "the prebuilt Tollgate $version does not start on this runner"
fi
finish "$folder/tollgate" "prebuilt, checksum verified"
