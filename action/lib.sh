# shellcheck shell=bash
# What the scripts of the action share. Sourced, never run. Works with the bash 3.2 of macOS, so no associative arrays and no
# `mapfile`, and empty arrays are expanded as ${a[@]+"${a[@]}"}.
#
# Text from inputs and events is untrusted: it is shown only through `escaped`, and reaches programs only as one word.

# For the value of a workflow command: the runner reads these bytes back.
escaped() {
  local text=$1
  text=${text//'%'/%25}
  text=${text//$'\r'/%0D}
  text=${text//$'\n'/%0A}
  printf '%s' "$text"
}

fail() {
  printf '::error title=Tollgate::%s\n' "$(escaped "$1")"
  exit 2
}

notice() {
  printf '::notice title=Tollgate::%s\n' "$(escaped "$1")"
}

random() {
  od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# Sets an output of the step. The delimiter is random, so no value can end itself and begin another output.
output() {
  local delimiter
  delimiter=tollgate-$(random)
  printf '%s<<%s\n%s\n%s\n' "$1" "$delimiter" "$2" "$delimiter" >>"$GITHUB_OUTPUT"
}

# one_of NAME VALUE WORD...: VALUE must be one of the words, exactly.
one_of() {
  local name=$1 value=$2 word
  shift 2
  for word in "$@"; do
    if [[ $value == "$word" ]]; then return 0; fi
  done
  fail "the input \`$name\` is \`$value\`, and must be one of: $*"
}

sha256() {
  if command -v sha256sum >/dev/null; then
    sha256sum -- "$1" | cut -d ' ' -f 1
  else
    shasum -a 256 -- "$1" | cut -d ' ' -f 1
  fi
}

# The target that release archives are named by, such as x86_64-linux; also for one that has none.
platform() {
  local os=${RUNNER_OS:-} arch=${RUNNER_ARCH:-}
  if [[ -z $os ]]; then os=$(uname -s); fi
  if [[ -z $arch ]]; then arch=$(uname -m); fi
  case $os in
    Linux) os=linux ;;
    macOS | Darwin) os=macos ;;
    *) os=$(printf '%s' "$os" | tr '[:upper:]' '[:lower:]') ;;
  esac
  case $arch in
    X64 | x86_64 | amd64) arch=x86_64 ;;
    ARM64 | arm64 | aarch64) arch=aarch64 ;;
    *) arch=$(printf '%s' "$arch" | tr '[:upper:]' '[:lower:]') ;;
  esac
  printf '%s-%s' "$arch" "$os"
}

# Runs a command with neither tokens nor the files through which a step talks to the runner: what is measured and built may be
# anybody's code.
without_secrets() {
  local strip=() entry name
  while IFS= read -r -d '' entry; do
    name=${entry%%=*}
    case $name in
      GITHUB_TOKEN | GH_TOKEN | GITEA_TOKEN | FORGEJO_TOKEN | INPUT_* | ACTIONS_* | IN_* | \
        GITHUB_ENV | GITHUB_PATH | GITHUB_OUTPUT | GITHUB_STATE | GITHUB_STEP_SUMMARY)
        strip+=(-u "$name")
        ;;
    esac
  done < <(env -0)
  env ${strip[@]+"${strip[@]}"} "$@"
}

# Runs a command whose output the runner must not obey. Through a pipe, because some runners offer a terminal, on which a
# progress bar would fill the log.
muted() {
  local stop code=0
  stop=$(random)
  printf '::stop-commands::%s\n' "$stop"
  "$@" </dev/null 2>&1 | cat || code=$?
  printf '\n::%s::\n' "$stop"
  return "$code"
}

# The executable that the installing step checked, or nothing: what was measured since then could have replaced it.
check_binary() {
  if [[ ! -x $BINARY || $(sha256 "$BINARY") != "$BINARY_SHA256" ]]; then
    fail "the Tollgate that was installed has changed since; nothing may write to the runner's temporary folder"
  fi
}

enter_working_directory() {
  cd -- "${GITHUB_WORKSPACE:?}/$IN_WORKING_DIRECTORY" || fail "there is no folder \`$IN_WORKING_DIRECTORY\` in the workspace; correct \`working-directory\`, or check the repository out first"
}
