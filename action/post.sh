#!/usr/bin/env bash
# Reports and decides: step summary, annotations, outputs, comment and status, then the verdict's exit code. With the token, and
# therefore with nothing that is measured.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

check_binary
enter_working_directory
args=(post --results "$RESULTS" --comment "$IN_COMMENT" --comment-key "$IN_COMMENT_KEY")
if [[ $IN_STATUS == true ]]; then args+=(--status); fi
exec "$BINARY" "${args[@]}"
