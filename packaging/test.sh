#!/bin/sh
# Check everything: `sh packaging/test.sh`; or only some tests: `sh packaging/test.sh -k login`.
# Paths among the options are seen from the top of the tree.
set -eu
# shellcheck source=environment.sh
. "$(dirname -- "$0")/environment.sh"

has chromium || has google-chrome || install chromium fonts-dejavu-core
has curl || install curl
environment test
cd -- "$root"
if [ $# -gt 0 ]; then
    exec "$python" -m pytest "$@"
fi

# Every step runs, so that one run shows all that is wrong.
result=0
"$python" -m ruff check || result=1
"$python" -m ruff format --check || result=1
"$python" -m mypy || result=1
"$python" -m pytest || result=1
exit "$result"
