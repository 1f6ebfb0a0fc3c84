#!/usr/bin/env bash
# old-release.sh OLD: prints the directory with the programs of an older release. OLD is that directory, or a revision of this
# repository: built in a work tree of its own, once a commit, with the profile PROFILE. The output of the build goes to standard
# error.
set -euo pipefail
old=${1:-}
profile=${PROFILE:-release}

if [ -z "$old" ]; then
  echo "OLD=… is missing: a directory of programs, or a revision of this repository" >&2
  exit 2
fi
if [ -d "$old" ]; then
  for name in ocsd ocs-http-proxy ocsctl; do
    [ -x "$old/$name" ] || { echo "OLD=$old: there is no program $name" >&2; exit 2; }
  done
  realpath "$old"
  exit
fi

cd "$(dirname "$0")/.."
commit=$(git rev-parse --verify --quiet "$old^{commit}") || {
  echo "OLD=$old: neither a directory nor a revision of this repository" >&2
  exit 2
}
cache=$(realpath -m "${CARGO_TARGET_DIR:-target}")/old
programs=$cache/$commit/$profile
if [ ! -x "$programs/ocsd" ]; then
  tree=$cache/$commit/tree
  git worktree prune
  [ -d "$tree" ] || git worktree add --quiet --detach "$tree" "$commit" >&2
  # One directory for the builds of all releases: shared dependencies are compiled once.
  CARGO_TARGET_DIR=$cache/build cargo build --locked --manifest-path "$tree/Cargo.toml" --profile "$profile" \
    -p node -p http-proxy -p ocsctl --bins >&2
  [ "$profile" = dev ] && built=debug || built=$profile
  mkdir -p "$programs"
  cp "$cache/build/$built/"{ocs-http-proxy,ocsctl} "$programs/"
  cp "$cache/build/$built/ocsd" "$programs/" # the last one: its presence means that all are there
  git worktree remove --force "$tree" >&2
fi
echo "$programs"
