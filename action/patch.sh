#!/usr/bin/env bash
# Makes baselines.patch of what `--update-baselines` wrote, and says how to apply it. It refuses when anything else has changed:
# a patch of baselines holds nothing but baselines.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

enter_working_directory
folder=${IN_BASELINES:-baselines}
patch=$PWD/tollgate-out/baselines.patch
others=$(git status --porcelain --untracked-files=all -- . ":(exclude)$folder" ':(exclude)tollgate-out' ':(exclude).tollgate-action')
if [[ -n $others ]]; then
  printf '%s\n' "$others"
  fail "the checkout has changes outside of \`$folder\`; if that is not the folder of the baselines, name it by the input \`baselines\`"
fi
git add --intent-to-add -- "$folder"
git diff --no-color --no-ext-diff --no-textconv --src-prefix=a/ --dst-prefix=b/ -- "$folder" >"$patch"
if [[ ! -s $patch ]]; then
  rm -- "$patch"
  notice "nothing that may be rewritten moved beyond noise; the baselines stay as they are"
  output patch ''
  exit 0
fi
output patch "$patch"
summary=${GITHUB_STEP_SUMMARY:-/dev/null}
{
  printf '### Tollgate: new baselines for %s\n\n' "$(platform)"
  # shellcheck disable=SC2016 # These are Markdown's backticks.
  printf 'On the branch that was measured, in the root of the repository:\n\n```sh\ngit apply baselines.patch\n```\n\n'
  # Backslashes keep the names of files, which are ours, from being anything but text.
  git diff --stat -- "$folder" | sed 's/^/    /'
} >>"$summary"
