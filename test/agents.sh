#!/bin/sh
# Fetches the real Zabbix agents that the end-to-end tests run: agents.sh [CACHE FOLDER]
#
# Three agents come from Debian's signed archive, versions as apt finds them: 6.0 (bookworm), 7.0 (bookworm-backports)
# and the newest 7.0 of trixie. They are unpacked, not installed. An agent whose libraries this machine lacks runs
# through the loader and the libraries of trixie, unpacked beside it. The folder is complete when agents.txt stands in
# it: one line per agent, "name version path". Then nothing is done and no network needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../packaging/apt.sh"

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/agents}
libraries="libc6 libpcre2-8-0 libsqlite3-0 libssl3t64 zlib1g libzstd1"

fetched() {
	[ -s "$cache/agents.txt" ] || return 1
	while read -r _ _ path; do
		[ -x "$path" ] || return 1
	done <"$cache/agents.txt"
}

if fetched; then exit 0; fi

fail() {
	echo "agents.sh: $1" >&2
	exit 1
}
missing=$(apt_missing)
[ -z "$missing" ] || fail "cannot fetch the Zabbix agents of the end-to-end tests; this machine lacks: $missing"

parent=$(dirname "$cache")
mkdir -p "$parent"
parent=$(cd "$parent" && pwd)
cache=$parent/$(basename "$cache")
# Of two runs at once the second waits and finds the work done.
exec 9>"$cache.lock"
flock 9
if fetched; then exit 0; fi

rm -rf "$cache".new.* # left by a run that was killed
new=$(mktemp -d "$cache.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
echo "agents.sh: fetching Zabbix agents from Debian into $cache" >&2
apt_open "$new/apt" deb bookworm bookworm-backports trixie || fail "apt cannot read the package lists of $(debian_mirror)"

loader() { find "$new/lib" \( -name 'ld-linux*.so.*' -o -name 'ld64.so.*' \) | head -n 1; }

# needs_loader BINARY says whether this machine's own libraries cannot run it.
needs_loader() { LC_ALL=C ldd "$1" 2>&1 | grep -q 'not found'; }

with_loader() { # BINARY: prints the command that runs it with trixie's libraries, or fails when one is missing
	[ -d "$new/lib" ] || {
		# One word each, on purpose.
		# shellcheck disable=SC2086
		apt_unpack "$new/apt" trixie "$new/lib" $libraries || fail "apt cannot download: $libraries"
	}
	_loader=$(loader)
	[ -n "$_loader" ] || fail "libc6 of trixie holds no loader"
	_dir=$(find "$new/lib/usr/lib" -name 'libc.so.6' -exec dirname {} \; | head -n 1)
	_list=$(LC_ALL=C "$_loader" --library-path "$_dir" --list "$1" 2>&1) || fail "the loader refuses $1: $_list"
	# Whatever the loader takes from outside the folder is this machine's and may be too old.
	_foreign=$(printf '%s\n' "$_list" | grep '=>' | grep -v -F "=> $_dir/" || :)
	[ -z "$_foreign" ] || fail "$1 needs libraries that the list in this script does not have: $_foreign"
	# After the rename the folder has its final name.
	printf '"%s" --library-path "%s"' "$cache${_loader#"$new"}" "$cache${_dir#"$new"}"
}

agent() { # NAME SUITE
	_root=$new/$1.root
	apt_unpack "$new/apt" "$2" "$_root" zabbix-agent2 || fail "apt cannot download zabbix-agent2 of $2"
	_binary=$(find "$_root/usr" -name zabbix_agent2 -type f -perm -u+x | head -n 1)
	[ -n "$_binary" ] || fail "zabbix-agent2 of $2 holds no zabbix_agent2"
	_run=
	if needs_loader "$_binary"; then _run=$(with_loader "$_binary"); fi
	cat >"$new/$1" <<-WRAPPER
		#!/bin/sh
		exec ${_run:+$_run }"$cache${_binary#"$new"}" "\$@"
	WRAPPER
	chmod +x "$new/$1"
	# The test run is from the temporary name.
	_version=$(sed "s#$cache/#$new/#g" "$new/$1" | sh -s -- -V | sed -n '1s/.* \([0-9][0-9.]*\).*/\1/p') || :
	[ -n "$_version" ] || fail "zabbix_agent2 of $2 does not run on this machine"
	echo "$1 $_version $cache/$1" >>"$new/agents.txt"
	echo "agents.sh: $1 is $_version ($2${_run:+, through its own loader})" >&2
}

agent agent-6.0 bookworm
agent agent-7.0-backports bookworm-backports
agent agent-7.0-stable trixie

rm -rf "$new/apt" "$cache"
mv "$new" "$cache"
chmod 755 "$cache"
