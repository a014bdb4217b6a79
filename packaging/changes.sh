#!/bin/sh
# Prints what CHANGELOG.md says of a version: changes.sh v0.9.0. It fails when there is no such section.
set -eu
cd "$(dirname "$0")/.."
version=${1#v}
text=$(awk -v heading="## $version" '
	/^## / { inside = $0 == heading || index($0, heading " ") == 1; next }
	inside { print }' CHANGELOG.md)
[ -n "$text" ] || { echo "changes.sh: CHANGELOG.md has no section \"## $version\"" >&2; exit 1; }
printf '%s\n' "$text"
