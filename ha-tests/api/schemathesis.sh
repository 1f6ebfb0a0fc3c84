#!/usr/bin/env bash
# Checks a node's REST interface against its own description, with cases that schemathesis makes from it: no answer is a server error,
# and status, content type, headers and body of each answer are those of the description. Orders that move the primary or pause
# failover are left out, so that the group keeps its primary; lists, campaigns and entries are made.
#
# Usage: schemathesis.sh BASE_URL [TOKEN], or schemathesis.sh --check, which ends with 3 and the reason where the tool is missing.
#
# CASES        cases made at random; from 1,000 on also those of the edges of each parameter (5000)
# SEED         of the random cases                        (a new one, which is printed)
# API_TOOLS    the directory of the tools                 (target/api-tools)
#
# Needs bash, coreutils and curl. Skipped, with the reason, where schemathesis is neither in API_TOOLS nor on the path.
set -euo pipefail
cd "$(dirname "$0")/../.."
API_TOOLS=$(realpath -m "${API_TOOLS:-${CARGO_TARGET_DIR:-target}/api-tools}")
HOOKS=$(realpath ha-tests/api/ocs_hooks.py)
CASES=${CASES:-5000}
SEED=${SEED:-}

tool=$API_TOOLS/venv/bin/schemathesis
[ -x "$tool" ] || tool=$(command -v schemathesis || true)
if [ -z "$tool" ]; then
  echo "skipped: schemathesis is not installed (make api-tools, or pip install schemathesis)"
  if [ "${1:-}" = --check ]; then exit 3; else exit 0; fi
fi
[ "${1:-}" != --check ] || exit 0
base=${1:?usage: schemathesis.sh BASE_URL [TOKEN]}
token=${2:-}

work=$(mktemp -d -t ocs-schemathesis.XXXXXX)
trap 'rm -rf "$work"' EXIT
curl -sSf -o "$work/openapi.json" "$base/api/openapi.json"
operations=$(grep -o '"operationId"' "$work/openapi.json" | wc -l)
[ "$operations" -gt 0 ] || { echo "schemathesis: $base describes no operation"; exit 1; }
phases=fuzzing
[ "$CASES" -lt 1000 ] || phases=examples,coverage,fuzzing

options=(
  run "$base/api/openapi.json" --url "$base" --phases "$phases"
  --max-examples $(((CASES + operations - 1) / operations))
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance
  --exclude-operation-id-regex '(?i)^(?!plan|get).*(switchover|failover)'
  --generation-database none --generation-with-security-parameters false
  --continue-on-failure --request-timeout 30 --warnings off --no-color
)
[ -z "$SEED" ] || options+=(--seed "$SEED")
[ -z "$token" ] || options+=(--header "Authorization: Bearer $token")
cd "$work" # a run may leave files
PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=$HOOKS "$tool" "${options[@]}"
