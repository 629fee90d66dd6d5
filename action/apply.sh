#!/usr/bin/env bash
# Commits baselines.patch and pushes it to a branch: apply.sh PATCH BRANCH MESSAGE. It runs where there is a token that may write,
# so the patch is data to it: plain changes of files `baselines/**.yml`, or nothing at all.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

patch=$1 branch=$2 message=$3
git check-ref-format "refs/heads/$branch" || fail "\`$branch\` is no branch"
if grep -Eq '^(old mode|new mode|(new|deleted) file mode (120|160|1007)|rename |copy |GIT binary patch|Binary files )' "$patch"; then
  fail "baselines.patch does more than change files of text"
fi
touched=0
while IFS=$'\t' read -r -d '' _ _ path; do
  touched=$((touched + 1))
  if [[ ! $path =~ ^baselines/[a-z0-9_]+-[a-z0-9_]+/[A-Za-z0-9._-]+\.yml$ ]]; then
    fail "baselines.patch touches \`$path\`, which is no baseline"
  fi
done < <(git apply --numstat -z -- "$patch")
if ((touched == 0)); then fail "baselines.patch changes nothing"; fi
git apply --index -- "$patch"
git -c core.hooksPath=/dev/null -c user.name='github-actions[bot]' \
  -c user.email='41898282+github-actions[bot]@users.noreply.github.com' commit --quiet --message "$message"
git -c core.hooksPath=/dev/null push --quiet origin "HEAD:refs/heads/$branch"
