#!/bin/sh
# Run UptimeHunt from this source tree: `sh packaging/run.sh [options]`.
set -eu
# shellcheck source=environment.sh
. "$(dirname -- "$0")/environment.sh"

environment ""
exec "$python" -m uptimehunt "$@"
