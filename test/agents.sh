#!/bin/sh
# Fetches the real Zabbix agents that the end-to-end tests run: agents.sh [CACHE FOLDER]
#
# The agents come from Debian's signed archive, versions as apt finds them: 6.0 (bookworm), 7.0 (bookworm-backports), the
# 7.0 of trixie, and the newest 7.0 of trixie-backports and sid. They are unpacked, not installed. An agent whose
# libraries this machine lacks runs through the loader and the libraries of its suite, unpacked beside it. The folder is
# complete when agents.txt stands in it: one line per agent, "name version path"; or "name -" and why there is none.
# Then nothing is done and no network needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../packaging/apt.sh"
. "$here/unpacked.sh"

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/agents}
libraries="libc6 libpcre2-8-0 libsqlite3-0 libssl3t64 zlib1g libzstd1"

fetched() {
	made_by_this || return 1
	grep -v ' - ' "$cache/agents.txt" >"$cache/there.txt" && all_there "$cache/there.txt" -x
}

if fetched; then exit 0; fi
needs_apt "the Zabbix agents of the end-to-end tests"
unpacked_begin "$cache" || exit 0
echo "agents.sh: fetching Zabbix agents from Debian into $cache" >&2
apt_open "$new/apt" deb bookworm bookworm-backports trixie trixie-backports sid ||
	fail "apt cannot read the package lists of $(debian_mirror)"

agent() { # NAME SUITE [SUITE OF THE LIBRARIES]
	_root=$new/$1.root
	apt_unpack "$new/apt" "$2" "$_root" zabbix-agent2 || fail "apt cannot download zabbix-agent2 of $2"
	_binary=$(find "$_root/usr" -name zabbix_agent2 -type f -perm -u+x | head -n 1)
	[ -n "$_binary" ] || fail "zabbix-agent2 of $2 holds no zabbix_agent2"
	_run=
	if needs_loader "$_binary"; then _run=$(with_loader "$_binary" "${3:-$2}" "$libraries"); fi
	wrapper "$1" "$_binary" "$_run"
	_version=$(try "$1" -V | sed -n '1s/.* \([0-9][0-9.]*\).*/\1/p') || :
	[ -n "$_version" ] || fail "zabbix_agent2 of $2 does not run on this machine"
	echo "$1 $_version $cache/$1" >>"$new/agents.txt"
	echo "agents.sh: $1 is $_version ($2${_run:+, through its own loader})" >&2
}

agent agent-6.0 bookworm
agent agent-7.0-backports bookworm-backports
agent agent-7.0-stable trixie

# offered SUITE prints the version of zabbix-agent2 there.
offered() {
	apt-cache -c "$new/apt/apt.conf" madison zabbix-agent2 |
		awk -F ' *[|] *' -v suite="$1/" 'index($3, " " suite) { print $2; exit }'
}

# The newest 7.0 of suites that change: one day it is in none of them, or not newer than trixie's.
newest=$(offered trixie) from=
for suite in trixie-backports sid; do
	version=$(offered $suite)
	case "$version" in
	*:7.0.* | 7.0.*)
		# A rebuild of the same version for another suite is not newer.
		if dpkg --compare-versions "${version%%+*}" gt "${newest%%+*}"; then newest=$version from=$suite; fi
		;;
	esac
done
libraries_of=$from
[ "$from" != trixie-backports ] || libraries_of=trixie
if [ -n "$from" ]; then
	agent agent-7.0-newest "$from" "$libraries_of"
else
	why="trixie-backports and sid have no 7.0 newer than trixie's: $(offered trixie-backports), $(offered sid)"
	echo "agent-7.0-newest - $why" >>"$new/agents.txt"
	echo "agents.sh: no agent-7.0-newest: $why" >&2
fi

unpacked_end
