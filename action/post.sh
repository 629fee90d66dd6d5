#!/usr/bin/env bash
# Reports and decides: step summary, annotations, outputs, comment and status, then the verdict's exit code. With the token, and
# therefore with nothing that is measured.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

check_binary
enter_working_directory
# Where measuring failed there is no such file, and Tollgate says that there is no verdict.
args=(post --results "${RESULTS:-tollgate-out/results.json}" --comment "$IN_COMMENT" --comment-key "$IN_COMMENT_KEY")
if [[ $IN_STATUS == true ]]; then args+=(--status); fi
exec "$BINARY" "${args[@]}"
