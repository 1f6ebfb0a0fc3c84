#!/usr/bin/env bash
# make api-tools: installs schemathesis and the generators of clients below target/api-tools, by pip into a virtual environment and by
# npm into a directory. A part whose package manager is missing or fails is named and left out: its checks are then skipped.
#
# API_TOOLS    the directory of the tools    (target/api-tools)
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=ha-tests/api
API_TOOLS=${API_TOOLS:-${CARGO_TARGET_DIR:-target}/api-tools}
mkdir -p "$API_TOOLS/typescript"

if python3 -m venv "$API_TOOLS/venv" > "$API_TOOLS/venv.log" 2>&1 &&
  "$API_TOOLS/venv/bin/pip" install --quiet --disable-pip-version-check -r "$HERE/requirements.txt" >> "$API_TOOLS/venv.log" 2>&1; then
  echo "api-tools: schemathesis and openapi-python-client are in $API_TOOLS/venv"
else
  echo "api-tools: skipped: python3 -m venv, or pip, fails: see $API_TOOLS/venv.log"
fi

cp "$HERE/typescript/package.json" "$API_TOOLS/typescript/"
if ! command -v node > /dev/null || ! command -v npm > /dev/null; then
  echo "api-tools: skipped: node and npm are not installed"
elif (cd "$API_TOOLS/typescript" && npm install --no-audit --no-fund) > "$API_TOOLS/npm.log" 2>&1; then
  echo "api-tools: openapi-typescript, openapi-fetch and typescript are in $API_TOOLS/typescript"
else
  echo "api-tools: skipped: npm install fails: see $API_TOOLS/npm.log"
fi
