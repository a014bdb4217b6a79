#!/bin/sh
# `go mod tidy` for networks that cannot reach the host of golang.zabbix.com/sdk.
#
# The go command ignores go.work when it tidies, so it gets copies of go.mod and go.sum in which the SDK is replaced by
# .sdk (see sdk.sh). The published checksums of the SDK, which it would drop, are put back.
set -eu
cd "$(dirname "$0")/.."
module=golang.zabbix.com/sdk
export GOWORK=off GOFLAGS=-mod=mod

if [ ! -f .sdk/go.mod ]; then
	exec go mod tidy
fi

sums=$(grep "^$module " go.sum) || { echo "tidy.sh: go.sum has no checksum of $module to keep" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

cp go.mod "$work/go.mod"
grep -v "^$module " go.sum >"$work/go.sum" || :
go mod edit -replace "$module=$PWD/.sdk" "$work/go.mod"
go mod tidy -modfile="$work/go.mod"
go mod edit -dropreplace "$module" "$work/go.mod"

{ cat "$work/go.sum"; printf '%s\n' "$sums"; } | LC_ALL=C sort -u >"$work/sorted"
cat "$work/go.mod" >go.mod
cat "$work/sorted" >go.sum
