# Gives a shell what the other scripts use: the cache folder, cargo's target folder, the built
# binary on PATH, the Python of the tests, and ROS 2 or libtorch where this machine has them.
# Source it (`. scripts/env.sh`) from bash or zsh, or from another POSIX shell at the repository's
# root. Sourcing it again changes nothing; a caller's `set -eu` survives.
# shellcheck shell=sh disable=SC1090

if [ -n "${ZSH_VERSION:-}" ]; then
  # Hidden from the other shells, which cannot parse zsh's name for "this file".
  eval '_sr_file=${(%):-%x}'
  _sr_shell='zsh'
else
  _sr_shell='sh'
  # shellcheck disable=SC3028 # unset outside bash, and then the current folder has to do
  _sr_file=${BASH_SOURCE:-scripts/env.sh}
fi
SPATIAL_REWARD_ROOT=$(CDPATH='' cd -- "$(dirname -- "$_sr_file")/.." && pwd -P)
if [ ! -f "$SPATIAL_REWARD_ROOT/scripts/env.sh" ]; then
  echo "scripts/env.sh: this shell does not say where the file is; source it from the repository's root" >&2
  unset SPATIAL_REWARD_ROOT _sr_file _sr_shell
  return 1
fi
SPATIAL_REWARD_CACHE=${SPATIAL_REWARD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/spatial_reward}

_sr_checksum() { cksum | cut -d ' ' -f 1; }

_sr_prepend_path() {
  case ":$PATH:" in
    *":$1:"*) ;;
    *) PATH=$1:$PATH ;;
  esac
}

# rustup's folder, where the shell that installed it has not been restarted.
_sr_cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
if ! command -v cargo >/dev/null 2>&1 && [ -x "$_sr_cargo_bin/cargo" ]; then
  _sr_prepend_path "$_sr_cargo_bin"
fi

# One target folder a checkout: cargo takes two checkouts' copies of this crate for the same
# package, so a shared folder could hand one checkout the other's binary.
case ${CARGO_TARGET_DIR:-} in
  "" | "$SPATIAL_REWARD_CACHE"/target/*)
    CARGO_TARGET_DIR=$SPATIAL_REWARD_CACHE/target/$(printf %s "$SPATIAL_REWARD_ROOT" | _sr_checksum)
    ;;
esac
_sr_prepend_path "$CARGO_TARGET_DIR/release"

# The virtual environment's name follows its contents: other pins or another Python, another folder.
if _sr_version=$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null); then
  SPATIAL_REWARD_VENV=$SPATIAL_REWARD_CACHE/python-$_sr_version-$(_sr_checksum <"$SPATIAL_REWARD_ROOT/tests/python/requirements.txt")
  SPATIAL_REWARD_PYTHON=$SPATIAL_REWARD_VENV/bin/python
  export SPATIAL_REWARD_VENV SPATIAL_REWARD_PYTHON
fi

# ROS 2: the one already sourced, else the one named, else the newest this project knows.
if [ -z "${AMENT_PREFIX_PATH:-}" ]; then
  for _sr_distro in "${ROS_DISTRO:-}" jazzy humble lyrical rolling; do
    if [ -n "$_sr_distro" ] && [ -f "/opt/ros/$_sr_distro/setup.sh" ]; then
      # ROS's own scripts read variables that may be unset and let commands fail.
      _sr_flags=$-
      set +eu
      . "/opt/ros/$_sr_distro/setup.$_sr_shell"
      case $_sr_flags in *u*) set -u ;; esac
      case $_sr_flags in *e*) set -e ;; esac
      break
    fi
  done
fi

# libtorch: the user's own, else the one that scripts/setup --model made.
SPATIAL_REWARD_LIBTORCH=$SPATIAL_REWARD_CACHE/libtorch-2.13.0-cpu
if [ -z "${LIBTORCH:-}${LIBTORCH_USE_PYTORCH:-}" ] && [ -e "$SPATIAL_REWARD_LIBTORCH/lib/libtorch.so" ]; then
  export LIBTORCH="$SPATIAL_REWARD_LIBTORCH"
fi
# Programs linked to it must find its libraries.
if [ -n "${LIBTORCH:-}" ]; then
  case ":${LD_LIBRARY_PATH:-}:" in
    *":$LIBTORCH/lib:"*) ;;
    *) export LD_LIBRARY_PATH="$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" ;;
  esac
fi

export PATH CARGO_TARGET_DIR SPATIAL_REWARD_ROOT SPATIAL_REWARD_CACHE SPATIAL_REWARD_LIBTORCH
unset _sr_file _sr_shell _sr_cargo_bin _sr_version _sr_distro _sr_flags
unset -f _sr_checksum _sr_prepend_path
