#!/bin/sh
# Check everything: `sh packaging/test.sh`; or only some tests: `sh packaging/test.sh -k login`.
# Paths among the options are seen from the top of the tree.
set -eu
# shellcheck source=environment.sh
. "$(dirname -- "$0")/environment.sh"

has chromium || has google-chrome || install chromium fonts-dejavu-core
has curl || install curl

# The real servers that checks are tried against; tests start them, in folders of their own.
PATH=$PATH:/usr/sbin
missing=
server() {
    has "$1" || missing="$missing $2"
}
server pg_ctlcluster postgresql
server mariadbd mariadb-server
server redis-server redis-server
server mosquitto mosquitto
server sshd openssh-server
server nginx nginx-light
server ip iproute2
[ -x /usr/lib/dovecot/imap ] || missing="$missing dovecot-imapd"
[ -x /usr/lib/dovecot/pop3 ] || missing="$missing dovecot-pop3d"
# shellcheck disable=SC2086  # one word a package
[ -z "$missing" ] || install $missing

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
# Most tests wait for something: two at a time, a file each, in the order of the folders. Those that
# measure how long something takes come after, one by one.
"$python" -m pytest -m "not alone" --numprocesses 2 --dist loadfile --no-loadscope-reorder || result=1
"$python" -m pytest -m alone || result=1
exit "$result"
