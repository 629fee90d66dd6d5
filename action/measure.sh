#!/usr/bin/env bash
# Measures, without a token. The verdict is the posting step's business: here a run fails only if it could not measure.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

check_binary
enter_working_directory
out=tollgate-out
args=(run --out "$out" --tier "$IN_TIER" --budget "$IN_BUDGET")
if [[ -n $IN_CONFIG ]]; then args+=(--config "$IN_CONFIG"); fi
if [[ -n $IN_BASELINES ]]; then args+=(--baselines "$IN_BASELINES"); fi
if [[ -n $IN_FAIL_ON ]]; then args+=(--fail-on "$IN_FAIL_ON"); fi
if [[ -n $IN_SHARD ]]; then args+=(--shard "$IN_SHARD"); fi
# Split at commas and spaces, and never expanded as file names.
IFS=', ' read -r -a backends <<<"$IN_BACKENDS"
for backend in ${backends[@]+"${backends[@]}"}; do
  if [[ -n $backend ]]; then args+=(--backend "$backend"); fi
done

# The base of the pull request. The checkout of a pull request is its merge with the base branch, so the branch's tip is what it
# differs from; where history is there, the last common commit is right for other checkouts, too.
base_of_pull_request() {
  local commit='^{commit}'
  if ! git cat-file -e "$BASE_SHA$commit" 2>/dev/null &&
    ! without_secrets git fetch --quiet --no-tags --depth 1 origin "$BASE_SHA" 2>/dev/null; then
    notice "the base of the pull request is not in the checkout and could not be fetched: comparing with the baselines alone. Give actions/checkout \`fetch-depth: 0\`"
    return
  fi
  if [[ $(git rev-parse --is-shallow-repository) == false ]]; then
    git merge-base "$BASE_SHA" HEAD || printf '%s' "$BASE_SHA"
  else
    printf '%s' "$BASE_SHA"
  fi
}

case $IN_BASE_REF in
  none) base='' ;;
  auto) base='' && if [[ -n $BASE_SHA ]]; then base=$(base_of_pull_request); fi ;;
  *) base=$IN_BASE_REF ;;
esac
if [[ -n $base ]]; then args+=(--base-ref "$base"); fi
if [[ $IN_BASE_REF == none ]]; then args+=(--no-base); fi
if [[ $IN_UPDATE_BASELINES == true ]]; then
  args+=(--update-baselines --allow-update-in-ci)
  if [[ -n $IN_REASON ]]; then args+=(--reason "$IN_REASON"); fi
fi

# A runner that keeps its folders may have those of an earlier job.
rm -rf -- "$out"
code=0
muted without_secrets "$BINARY" "${args[@]}" || code=$?
case $code in
  0 | 1 | 3 | 4) output results "$PWD/$out/results.json" ;;
  *) fail "tollgate run could not measure (exit code $code); its own message is above" ;;
esac
# Nothing follows that would tell of these.
if [[ $IN_UPDATE_BASELINES == true && $code != 0 ]]; then fail "not everything was accepted (exit code $code); see above"; fi
