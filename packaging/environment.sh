# Read by run.sh, test.sh and build.sh: finds Python and keeps the virtual environment `.venv`.
# shellcheck shell=sh

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# install PACKAGE...: Debian packages, when we may; else say the one line that is to be run.
install() {
    if ! has apt-get; then
        fail "Please install what Debian calls: $*"
    elif [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif has sudo && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        fail "Please run: sudo apt-get install --yes --no-install-recommends $*"
    fi
    printf 'Installing %s\n' "$*" >&2
    # The package lists may be old or missing; an update that fails may still leave good ones.
    $as_root apt-get update >/dev/null 2>&1 || true
    # RUNLEVEL: a package of a server is not to start it.
    $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install --yes --no-install-recommends "$@" </dev/null >&2 ||
        fail "Could not install: $*"
}

# A Python that is new enough and can make virtual environments; nothing when there is none.
find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if has "$name" && "$name" -c "$1" 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
}

make_venv() {
    usable='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
    base=$(find_python "$usable")
    if [ -z "$base" ]; then
        install python3 python3-venv
        base=$(find_python "$usable")
        [ -n "$base" ] || fail "Python 3.11 or newer, with its venv module, is needed."
    fi
    "$base" -m venv --clear "$venv"
}

# environment EXTRA: the project, with what that extra of setup.cfg lists, in the environment.
# Nothing is done when that was done before and setup.cfg is as it was then.
environment() {
    stamp=$venv/installed-${1:-run}
    state=$(printf '%s\n' "$root" | cat - "$root/setup.cfg" "$root/pyproject.toml" | cksum)
    if "$python" -c '' 2>/dev/null; then
        if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
            return
        fi
    else
        make_venv
    fi
    printf 'Installing the project into %s\n' "$venv" >&2
    "$python" -m pip install --quiet --disable-pip-version-check \
        --editable "$root${1:+[$1]}" >&2 ||
        fail "The project could not be installed; see above."
    printf '%s\n' "$state" >"$stamp"
}
