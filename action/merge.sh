#!/usr/bin/env bash
# Joins the shards' results. What is missing is the verdict's business: such results say it themselves.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

check_binary
enter_working_directory
args=(merge "$SHARDS_DIR" --out tollgate-out)
if [[ -n $IN_SHARDS ]]; then args+=(--shards "$IN_SHARDS"); fi
rm -rf -- tollgate-out
code=0
muted without_secrets "$BINARY" "${args[@]}" || code=$?
case $code in
  0 | 3) output results "$PWD/tollgate-out/results.json" ;;
  *) fail "tollgate merge could not join the shards (exit code $code); its own message is above" ;;
esac
