# What the scripts that install something have in common. Sourced by them, after scripts/env.sh.
# shellcheck shell=bash

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# apt_install WHY PACKAGE...: installs as root or with a sudo that asks nothing; false if it may not.
apt_install() {
  local why=$1 as_root=()
  shift
  command -v apt-get >/dev/null || return 1
  if [[ $EUID -ne 0 ]]; then
    sudo -n true 2>/dev/null || return 1
    as_root=(sudo -n)
  fi
  say "installing $* ($why)"
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# with_lock NAME COMMAND...: another checkout may be at the same step.
with_lock() {
  local name=$1
  shift
  mkdir -p "$SPATIAL_REWARD_CACHE"
  exec 9>"$SPATIAL_REWARD_CACHE/$name.lock"
  flock 9
  "$@"
  exec 9>&-
}

# pythons LOWEST BELOW: this machine's Pythons from 3.LOWEST to below 3.BELOW that can make virtual environments, one of each,
# `python3` first.
pythons() {
  local python version found=" "
  for python in python3 python3.{10..15} "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python; do
    version=$("$python" -c 'import ensurepip, sys; print(sys.version_info[1])' 2>/dev/null) || continue
    if [[ $version -lt $1 || $version -ge $2 || $found == *" $version "* ]]; then continue; fi
    found+="$version "
    printf '%s\n' "$python"
  done
}

# make_venv FOLDER [OPTION]: with pip inside, whichever way this machine's Python offers one; of $base_python, if that is set.
make_venv() {
  local version python=${base_python:-python3}
  "$python" -I -m venv "${@:2}" "$1" >/dev/null 2>&1 && return
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  # Debian ships `venv` without its installer of pip, which is a package of its own.
  if apt_install "Python's virtual environments" "python$version-venv" && "$python" -I -m venv "${@:2}" --clear "$1"; then
    return
  fi
  "$python" -m pip --version >/dev/null 2>&1 && "$python" -I -m venv "${@:2}" --clear --without-pip "$1" &&
    "$python" -m pip --python "$1/bin/python" install --quiet pip
}

# python_environment FOLDER REQUIREMENTS WHAT [OPTION]: a virtual environment of pinned packages, unless it is there.
python_environment() {
  local folder=$1 requirements=$2 what=$3
  if [[ -e $folder/complete ]] && "$folder/bin/python" -c '' 2>/dev/null; then return; fi
  rm -rf "$folder"
  say "installing $what into $folder"
  make_venv "$folder" "${@:4}" ||
    die "Python's venv module is missing and cannot be installed from here: run 'apt-get install python3-venv' as root"
  "$folder/bin/python" -E -m pip install --quiet --disable-pip-version-check --requirement "$requirements" ||
    die "the Python packages could not be installed (see above): check the network, then run this again"
  touch "$folder/complete"
}
