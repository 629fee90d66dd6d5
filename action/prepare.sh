#!/usr/bin/env bash
# Checks every input before anything is built or measured, and decides which steps follow.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

for name in ${!IN_@}; do
  if [[ ${!name} == *[[:cntrl:]]* ]]; then
    fail "the input behind $name holds a control character, such as a line break; remove it"
  fi
done
one_of mode "$IN_MODE" run merge publish
one_of tier "$IN_TIER" smoke pr full
one_of comment "$IN_COMMENT" auto true false
one_of status "$IN_STATUS" true false
one_of update-baselines "$IN_UPDATE_BASELINES" true false
one_of build-from-source "$IN_BUILD_FROM_SOURCE" auto never always
one_of cache "$IN_CACHE" auto true false

matches() { [[ $1 =~ $2 ]]; }
if [[ -n $IN_SHARD ]] && ! matches "$IN_SHARD" '^[1-9][0-9]{0,3}/[1-9][0-9]{0,3}$'; then
  fail "the input \`shard\` is \`$IN_SHARD\`, and must be like \`2/4\`"
fi
if [[ -n $IN_SHARDS ]] && ! matches "$IN_SHARDS" '^[1-9][0-9]{0,3}$'; then
  fail "the input \`shards\` is \`$IN_SHARDS\`, and must be a number"
fi
if ! matches "$IN_ARTIFACT" '^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$'; then
  fail "the input \`artifact\` is \`$IN_ARTIFACT\`; use letters, digits, \`.\`, \`_\` and \`-\`"
fi
if [[ -n $IN_VERSION ]] && ! matches "$IN_VERSION" '^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$'; then
  fail "the input \`version\` is \`$IN_VERSION\`, and must be like \`1.2.3\`; there is no \`latest\`, because every version has its checksum in the action"
fi
for path in "$IN_WORKING_DIRECTORY" "$IN_CONFIG" "$IN_BASELINES"; do
  if [[ $path == /* || $path == -* || /$path/ == */../* ]]; then
    fail "\`$path\` leads out of the workspace; name \`working-directory\`, \`config\` and \`baselines\` by relative paths without \`..\`"
  fi
done
if [[ $IN_MODE != run && -n $IN_SHARD ]]; then fail "\`shard\` goes with \`mode: run\` alone"; fi
if [[ $IN_MODE != merge && -n $IN_SHARDS ]]; then fail "\`shards\` goes with \`mode: merge\` alone"; fi
if [[ $IN_UPDATE_BASELINES == true ]]; then
  if [[ $IN_MODE != run || -n $IN_SHARD ]]; then fail "\`update-baselines\` goes with \`mode: run\` without \`shard\`"; fi
  # A gate that accepts what it finds is none: somebody who may start a workflow has to want it.
  case ${GITHUB_EVENT_NAME:-} in
    workflow_dispatch | repository_dispatch | schedule) ;;
    *) fail "\`update-baselines\` does not run on the event \`${GITHUB_EVENT_NAME:-}\`; start it by \`workflow_dispatch\`" ;;
  esac
elif [[ -n $IN_REASON ]]; then
  fail "\`reason\` goes with \`update-baselines: true\` alone"
fi

# A run that is one part of many has no verdict of its own, and one that accepts needs none.
post=false
if [[ $IN_MODE == merge || ($IN_MODE == run && -z $IN_SHARD && $IN_UPDATE_BASELINES == false) ]]; then post=true; fi

# The folder that src/base/cache.rs would choose, said aloud so that every step means the same one.
cache_dir=${TOLLGATE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-$RUNNER_TEMP}/.cache}/tollgate}
cache=$IN_CACHE
if [[ $cache == auto ]]; then
  # A hosted runner is new for each job; any other has the folder still.
  if [[ ${RUNNER_ENVIRONMENT:-} == github-hosted ]]; then cache=true; else cache=false; fi
fi

# What a build of the action's own sources depends on.
source_key() (
  cd -- "$GITHUB_ACTION_PATH"
  {
    printf '%s %s\n' "$(platform)" "${ImageOS:-}"
    find Cargo.toml Cargo.lock rust-toolchain.toml .cargo src -type f | LC_ALL=C sort | while IFS= read -r file; do
      printf '%s %s\n' "$(sha256 "$file")" "$file"
    done
  } >"$RUNNER_TEMP/tollgate-sources"
  sha256 "$RUNNER_TEMP/tollgate-sources"
)
source_key=$(source_key)

shards_dir=$GITHUB_WORKSPACE/$IN_WORKING_DIRECTORY/tollgate-shards
fetch=false
# Where the workflow has put the shards there itself, by another action or from another store, they are taken as they are.
if [[ $IN_MODE == merge && ! -d $shards_dir ]]; then fetch=true; fi

if [[ $cache == true || $fetch == true ]]; then
  target=$GITHUB_WORKSPACE/.tollgate-action
  # What lies there is not ours, whoever put it there.
  rm -rf -- "$target"
  mkdir -- "$target"
  cp -R -- "$GITHUB_ACTION_PATH/action/restore" "$GITHUB_ACTION_PATH/action/save" "$GITHUB_ACTION_PATH/action/artifacts" "$target/"
  # Git must not take it for a change.
  printf '*\n' >"$target/.gitignore"
fi

# An engine of a base revision is kept by that revision's content: a job whose base is another restores the latest folder, and
# saves it with what it built.
prefix=tollgate-$(platform)-${source_key:0:16}-
output mode "$IN_MODE"
output update "$IN_UPDATE_BASELINES"
output post "$post"
output fetch "$fetch"
output shards-dir "$shards_dir"
output source-key "$source_key"
output cache "$cache"
output cache-dir "$cache_dir"
output cache-prefix "$prefix"
output cache-key "$prefix${BASE_SHA:-${GITHUB_SHA:-}}"
