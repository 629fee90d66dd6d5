#!/usr/bin/env bash
# Builds Tollgate from the action's own sources into the folder given, or takes what an earlier job built from the same ones.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

here=$(cd -- "$(dirname "$0")" && pwd)
folder=$1
kept=$CACHE_DIR/tollgate/$SOURCE_KEY
if [[ -x $kept/tollgate && $(cat "$kept/sha256" 2>/dev/null) == "$(sha256 "$kept/tollgate")" ]]; then
  cp -- "$kept/tollgate" "$folder/tollgate"
  exit 0
fi

command -v cargo >/dev/null || fail "there is no cargo to build Tollgate with; install Rust from rustup on the runner, or set \`build-from-source: never\`"
cd -- "$GITHUB_ACTION_PATH"
bash "$here/llvm.sh"
without_secrets cargo xtask setup --build
target=${CARGO_TARGET_DIR:-$GITHUB_ACTION_PATH/target}
without_secrets cargo build --locked --release --bin tollgate --target-dir "$target"
cp -- "$target/release/tollgate" "$folder/tollgate"

# A folder that cannot be written costs the next job a build, and this one nothing.
if mkdir -p -- "$CACHE_DIR/tollgate" && new=$(mktemp -d "$CACHE_DIR/tollgate/.new-XXXXXX"); then
  cp -- "$folder/tollgate" "$new/tollgate"
  sha256 "$new/tollgate" >"$new/sha256"
  # Sources that are no longer these are never asked for again.
  find "$CACHE_DIR/tollgate" -mindepth 1 -maxdepth 1 ! -name '.new-*' -mtime +7 -exec rm -rf -- {} +
  rm -rf -- "$kept"
  mv -- "$new" "$kept" || rm -rf -- "$new"
fi
