#!/bin/sh
# Checks a running node's REST interface against its own description: no answer is a server error, and every answer fits its schema.
# Usage: schemathesis.sh BASE_URL [CASES] [TOKEN]
# Skipped, with the reason, where schemathesis is not installed.
set -eu

base=${1:?usage: schemathesis.sh BASE_URL [CASES] [TOKEN]}
cases=${2:-500}
token=${3:-}

if ! command -v schemathesis >/dev/null 2>&1; then
    echo "skipped: schemathesis is not installed (pip install schemathesis)"
    exit 0
fi

set -- run "$base/api/openapi.json" --url "$base" --max-examples "$cases" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --exclude-path-regex '/(switchover|pause|resume)$'
[ -z "$token" ] || set -- "$@" --header "Authorization: Bearer $token"
exec schemathesis "$@"
