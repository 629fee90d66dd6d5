#!/usr/bin/env bash
# Adds the LLVM project's own apt repository where the distribution has no LLVM 22, as on GitHub's Ubuntu images. `cargo xtask
# setup` installs from it. Elsewhere, and where LLVM is there already, it does nothing.
set -euo pipefail
# shellcheck source=action/lib.sh
source "$(dirname "$0")/lib.sh"

# Fingerprint of the key that the LLVM project signs its packages with.
key=6084F3CF814B57C1CF12EFD515CF4D18AF4F7421
list=/etc/apt/sources.list.d/tollgate-llvm.list

if [[ -n ${LLVM_SYS_221_PREFIX:-} || -x /usr/lib/llvm-22/bin/llvm-config ]] || ! command -v apt-get >/dev/null; then exit 0; fi
as_root=()
if [[ $(id -u) != 0 ]]; then
  # Without the right to install, xtask says what to type.
  sudo -n true 2>/dev/null || exit 0
  as_root=(sudo)
fi
root() { ${as_root[@]+"${as_root[@]}"} "$@"; }

root apt-get update -qq
if apt-cache policy llvm-22-dev | grep -q 'Candidate: [^(]'; then exit 0; fi
# shellcheck source=/dev/null
codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
if [[ ! $codename =~ ^[a-z]+$ ]]; then fail "this distribution has neither llvm-22-dev nor a code name to find it by"; fi
folder=$(mktemp -d)
curl --fail --silent --show-error --location --proto =https --retry 3 --max-time 60 --output "$folder/key.asc" https://apt.llvm.org/llvm-snapshot.gpg.key
found=$(gpg --homedir "$folder" --batch --with-colons --show-keys "$folder/key.asc" | awk -F: '$1 == "fpr" { print $10; exit }')
if [[ $found != "$key" ]]; then fail "the key of the LLVM project's apt repository is not the one known here; nothing is installed with it"; fi
root install -m 0644 "$folder/key.asc" /etc/apt/keyrings/tollgate-llvm.asc
printf 'deb [signed-by=/etc/apt/keyrings/tollgate-llvm.asc] https://apt.llvm.org/%s/ llvm-toolchain-%s-22 main\n' "$codename" "$codename" |
  root tee "$list" >/dev/null
root apt-get update -qq
