#!/bin/sh
# Serves an S3-compatible storage in memory (moto) on a free port of loopback, for tests of backups. Prints `serving URL`, and ends with
# its standard input. Prints `skipped: REASON` instead, and ends with 0, where moto is absent and cannot be installed.
# Usage: s3.sh [VENV]; VENV: directory of a virtual environment for moto, made on the first use; without one, only an installed moto serves.
set -eu

venv=${1:-}

skip() {
    echo "skipped: $1"
    exit 0
}

command -v python3 >/dev/null 2>&1 || skip "python3 is not installed"
python=python3
if ! python3 -c 'import moto.server, flask' >/dev/null 2>&1; then
    [ -n "$venv" ] || skip "moto is not installed (pip install 'moto[server]')"
    python=$venv/bin/python3
    if ! [ -e "$venv/whole" ]; then
        rm -rf "$venv"
        python3 -m venv "$venv" >/dev/null 2>&1 || skip "python3 has no venv"
        timeout 300 "$python" -m pip install --quiet --disable-pip-version-check 'moto[server]' >/dev/null 2>&1 ||
            skip "pip cannot install moto[server]"
        : >"$venv/whole"
    fi
fi

exec "$python" -c '
import logging, socket, sys
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
server.start()
print("serving http://127.0.0.1:%d" % port, flush=True)
sys.stdin.read()
server.stop()
'
