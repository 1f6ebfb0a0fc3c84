#!/usr/bin/env bash
# Generates clients from the description of a node's REST interface, in Python (openapi-python-client) and in TypeScript
# (openapi-typescript, openapi-fetch, tsc), and has each client tour all operations. The generated code is thrown away.
#
# Usage: clients.sh BASE_URL TOKEN, or clients.sh --check, which ends with 3 and the reason where all tools are missing.
# The node is the primary of a group without load; the token has the scopes read, update and admin.
#
# API_TOOLS    the directory of the tools    (target/api-tools)
#
# Needs bash, coreutils and curl. A language whose tools are missing (make api-tools) is skipped by name.
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=$(realpath ha-tests/api)
API_TOOLS=$(realpath -m "${API_TOOLS:-${CARGO_TARGET_DIR:-target}/api-tools}")

python=$API_TOOLS/venv/bin/openapi-python-client
modules=$API_TOOLS/typescript/node_modules
missing=0
if [ ! -x "$python" ]; then
  echo "skipped: openapi-python-client is not installed (make api-tools)"
  missing=$((missing + 1)) python=''
fi
if ! command -v node > /dev/null || [ ! -x "$modules/.bin/tsc" ] || [ ! -x "$modules/.bin/openapi-typescript" ]; then
  echo "skipped: node, openapi-typescript or tsc is not installed (make api-tools)"
  missing=$((missing + 1)) modules=''
fi
if [ "$missing" -eq 2 ]; then
  if [ "${1:-}" = --check ]; then exit 3; else exit 0; fi
fi
[ "${1:-}" != --check ] || exit 0
base=${1:?usage: clients.sh BASE_URL TOKEN}
token=${2:?usage: clients.sh BASE_URL TOKEN}

work=$(mktemp -d -t ocs-clients.XXXXXX)
trap 'rm -rf "$work"' EXIT
curl -sSf -o "$work/openapi.json" "$base/api/openapi.json"

tour_python() {
  # the generator formats its code by a program beside it
  (cd "$work" && PATH=$API_TOOLS/venv/bin:$PATH "$python" generate --path openapi.json --meta none --output-path python/ocs_api \
    --fail-on-warning)
  "$API_TOOLS/venv/bin/python" -m compileall -q "$work/python"
  "$API_TOOLS/venv/bin/python" "$HERE/python/tour.py" "$work/python" "$base" "$token" "$work/openapi.json"
}

tour_typescript() {
  mkdir "$work/typescript"
  cp "$HERE"/typescript/{package.json,tsconfig.json,tour.ts} "$work/typescript/"
  ln -s "$modules" "$work/typescript/node_modules"
  (cd "$work/typescript" && "$modules/.bin/openapi-typescript" ../openapi.json -o api.d.ts && "$modules/.bin/tsc" -p tsconfig.json &&
    node built/tour.js "$base" "$token" "$work/openapi.json")
}

[ -z "$python" ] || tour_python
[ -z "$modules" ] || tour_typescript
