#!/usr/bin/env bash
# Posts what the run of a fork's pull request measured. Nothing of that pull request is checked out or run: its results are data.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

check_binary
args=(publish --artifact "$IN_ARTIFACT" --comment-key "$IN_COMMENT_KEY")
if [[ -n $IN_WORKFLOW ]]; then args+=(--workflow "$IN_WORKFLOW"); fi
if [[ -n $IN_CONFIG ]]; then args+=(--config "$IN_CONFIG"); fi
if [[ -n $IN_BASELINES ]]; then args+=(--baselines "$IN_BASELINES"); fi
if [[ $IN_STATUS == true ]]; then args+=(--status); fi
exec "$BINARY" "${args[@]}"
